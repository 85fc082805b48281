"""The embeddings file: what `extract` writes and every protocol reads.

`FILE.npz` holds `names` (unicode, path relative to the image root with `/` and extension), `embeddings`
(float32, N × D, as the network gives them after flip fusion, not normalised) and `meta` (a JSON string).
For more than memory holds, `FILE.npy` with `FILE.names.txt` (one name a line) and `FILE.meta.json` beside
it; the array is then memory-mapped. No pickles, ever.
"""

from __future__ import annotations

import json
import os
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError, listing
from nsface.files import check_writable, reason, replacing
from nsface.names import stem

_ROWS = 8192  # looked at together
_DAMAGED = (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)  # NumPy and zipfile


@dataclass(frozen=True)
class Embeddings:
    """Names and vectors of N images.

    Attributes:
        names: N strings, e.g. `Aaron_Eckhart/Aaron_Eckhart_0001.jpg`.
        vectors: float32, N × D.
        meta: how they were made (model digest, flip mode, preprocessing, nsface version).
        source: what to call this set in messages.
    """

    names: Sequence[str]
    vectors: npt.NDArray[np.float32]
    meta: dict[str, Any] = field(default_factory=dict)
    source: str = "the embeddings"

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.names):
            raise DataError(
                f"{self.source}: {len(self.names)} names against an array of shape {self.vectors.shape}; "
                "one row a name is needed"
            )

    @cached_property
    def _by_name(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    @cached_property
    def _by_stem(self) -> dict[str, int]:
        return {_composed(stem(name)): row for row, name in enumerate(self.names)}

    def rows(self, names: Iterable[str]) -> npt.NDArray[np.int64]:
        """Row of each name; a missing or different image extension is tolerated, and decomposed Unicode.

        Raises:
            DataError: some names are missing; the message gives their number and the first ten.
        """
        wanted = list(names)
        rows = [self._by_name.get(name, -1) for name in wanted]
        if -1 in rows:
            rows = [
                self._by_stem.get(_composed(stem(name)), -1) if row < 0 else row
                for name, row in zip(wanted, rows, strict=True)
            ]
        missing = sorted({name for name, row in zip(wanted, rows, strict=False) if row < 0})
        if missing:
            raise DataError(
                f"{self.source}: {len(missing)} of {len(set(wanted))} images asked for have no embedding: "
                f"{listing(missing)}; extract the whole set again"
            )
        return np.asarray(rows, dtype=np.int64)


def _composed(name: str) -> str:
    """`name` in Unicode's normal form C: some file systems give é as e and an accent."""
    return unicodedata.normalize("NFC", name)


def check_target(path: str | os.PathLike[str]) -> None:
    """Refuse a path that `save` would refuse, before the work is done.

    Raises:
        DataError: `path` ends in neither `.npz` nor `.npy`.
        NsfaceError: its folder does not exist or cannot be written.
    """
    if Path(path).suffix not in (".npz", ".npy"):
        raise DataError(f"{path}: an embeddings file ends in .npz (or .npy, memory-mapped)")
    check_writable(path)


def save(path: str | os.PathLike[str], embeddings: Embeddings) -> None:
    """Write `embeddings` to `path` (`.npz`, or `.npy` with its companions), whole or not at all.

    Raises:
        DataError: `path` ends in neither `.npz` nor `.npy`; embeddings are not finite; a name stands twice
            or has two lines.
        NsfaceError: the folder cannot be written.
    """
    check_target(path)
    target = Path(path)
    vectors = np.asarray(embeddings.vectors, dtype=np.float32)
    _check_finite(embeddings.names, vectors, str(path))
    if len(set(embeddings.names)) < len(embeddings.names):
        name = next(name for name, number in Counter(embeddings.names).items() if number > 1)
        raise DataError(
            f"{path}: not written: several images are called {name}; give them names of their own"
        )
    meta = json.dumps(embeddings.meta, sort_keys=True)
    if target.suffix == ".npz":
        with replacing(target) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                names=np.asarray(embeddings.names, dtype=np.str_),
                embeddings=vectors,
                meta=np.asarray(meta),
            )
    else:
        broken = [name for name in embeddings.names if "\n" in name]
        if broken:
            raise DataError(f"{path}: {broken[0]!r} has two lines; rename it, or write an .npz")
        with (
            replacing(target) as array,
            replacing(target.with_suffix(".names.txt")) as names,
            replacing(target.with_suffix(".meta.json")) as described,
        ):  # none takes its place before all are written
            names.write_bytes(
                "".join(f"{name}\n" for name in embeddings.names).encode("utf-8", "surrogateescape")
            )
            described.write_text(meta + "\n", encoding="utf-8")
            with array.open("wb") as file:
                np.save(file, vectors)


def load(path: str | os.PathLike[str]) -> Embeddings:
    """Read an embeddings file; `.npy` is memory-mapped.

    Raises:
        DataError: missing, not an embeddings file, or its parts disagree.
    """
    source = Path(path)
    try:
        loaded = _load_npy(source) if source.suffix == ".npy" else _load_npz(source)
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {reason(error)}") from error
    except _DAMAGED as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{source}: not an embeddings file ({why}); make one with `nsface extract`"
        ) from error
    if loaded.vectors.dtype != np.float32:
        raise DataError(f"{source}: embeddings are {loaded.vectors.dtype}, not float32")
    if len(set(loaded.names)) != len(loaded.names):
        raise DataError(f"{source}: some names occur twice")
    if not isinstance(loaded.meta, dict):
        raise DataError(f"{source}: its meta is no JSON object; make it anew with `nsface extract`")
    _check_finite(loaded.names, loaded.vectors, str(source))
    return loaded


def _load_npz(source: Path) -> Embeddings:
    with np.load(source, allow_pickle=False) as file:
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("no .npz archive")
        names, vectors, meta = file["names"], file["embeddings"], json.loads(str(file["meta"]))
    if names.ndim != 1 or names.dtype.kind != "U":
        raise ValueError("names are not a list of strings")
    return Embeddings(names.tolist(), vectors, meta, str(source))


def _load_npy(source: Path) -> Embeddings:
    vectors = np.load(source, mmap_mode="r", allow_pickle=False)
    text = source.with_suffix(".names.txt").read_bytes().decode("utf-8", "surrogateescape")
    names = [name.removesuffix("\r") for name in text.removesuffix("\n").split("\n")] if text else []
    meta_file = source.with_suffix(".meta.json")
    meta = json.loads(meta_file.read_text(encoding="utf-8")) if meta_file.exists() else {}
    return Embeddings(names, vectors, meta, str(source))


def _check_finite(names: Sequence[str], vectors: npt.NDArray[np.float32], source: str) -> None:
    bad: list[int] = []
    for start in range(0, len(vectors), _ROWS):
        sound = np.isfinite(vectors[start : start + _ROWS]).all(axis=1)
        bad += (start + np.flatnonzero(~sound)).tolist()
    if bad:
        raise DataError(
            f"{source}: {len(bad)} of {len(names)} embeddings are not finite: "
            f"{listing([names[row] for row in bad])}; look at the model's training log, or extract in fp32"
        )
