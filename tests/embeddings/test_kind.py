"""Whether a file is a model or embeddings is told by its content, whatever it is called."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from nsface.embeddings import Embeddings, save
from nsface.embeddings.kind import is_model
from nsface.errors import DataError
from tests.tiny_model import write_tiny_model


def test_names_do_not_matter(tmp_path: Path) -> None:
    embeddings = Embeddings(["a/1.jpg"], np.ones((1, 4), np.float32))
    for suffix in (".npz", ".npy"):
        save(tmp_path / f"faces{suffix}", embeddings)
        shutil.copy(tmp_path / f"faces{suffix}", tmp_path / "model.safetensors")
        assert not is_model(tmp_path / "model.safetensors")
    write_tiny_model(tmp_path / "model.safetensors")
    shutil.copy(tmp_path / "model.safetensors", tmp_path / "faces.npz")
    assert is_model(tmp_path / "faces.npz")


def test_onnx_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"\x08\x06\x12\x07pytorch\x1a\x031.7")  # how such a file begins
    assert is_model(tmp_path / "model")


@pytest.mark.parametrize("content", [b"", b"10\t300\nA\t1\t2\n", b"\x80\x04]\x94("])
def test_everything_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match=r"x: neither embeddings \(\.npz, \.npy\) nor a model"):
        is_model(tmp_path / "x")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing: cannot be read: no such file"):
        is_model(tmp_path / "nothing")
    with pytest.raises(DataError, match="cannot be read: is a directory"):
        is_model(tmp_path)
