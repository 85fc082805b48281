"""Whether a file holds embeddings or a model, by its first bytes."""

from __future__ import annotations

import os
from pathlib import Path

from nsface.errors import DataError, shown
from nsface.files import reason
from nsface.onnx.file import is_onnx

_EMBEDDINGS = (b"PK", b"\x93NUMPY")  # .npz is a ZIP archive


def is_model(path: str | os.PathLike[str]) -> bool:
    """Whether the file `path` is a model, safetensors or ONNX, and not embeddings, `.npz` or `.npy`.

    Raises:
        DataError: it cannot be read, or is neither.
    """
    source = Path(path)
    try:
        with source.open("rb") as file:
            start = file.read(9)
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise DataError(f"{shown(source)}: cannot be read: {why}") from error
    if start.startswith(_EMBEDDINGS):
        return False
    if start[8:] == b"{" or is_onnx(source):  # safetensors: eight bytes of length, then JSON
        return True
    raise DataError(
        f"{shown(source)}: neither embeddings (.npz, .npy) nor a model; give a model file, or what "
        "`nsface extract` wrote"
    )
