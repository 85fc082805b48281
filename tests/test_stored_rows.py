"""Rows of a file are those of the array, and a file that changes below them is an error, not the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nsface.errors import DataError
from nsface.stored_rows import StoredRows

VECTORS = np.random.default_rng(0).normal(size=(500, 7)).astype(np.float32)
ROWS = [range(500), range(3, 130), [7], [], [499, 0, 0, 499, 3], range(400, 10, -1), [-1, 2, -500]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.save(tmp_path / "v.npy", VECTORS)
    return tmp_path / "v.npy"


@pytest.mark.parametrize("rows", ROWS, ids=str)
def test_rows_by_number_are_those_of_the_array(path: Path, rows: list[int]) -> None:
    index = np.array(rows, dtype=np.int64)
    np.testing.assert_array_equal(StoredRows(path)[index], VECTORS[index])
    for row in [*rows][:3]:
        np.testing.assert_array_equal(StoredRows(path)[row], VECTORS[row])


@pytest.mark.parametrize("part", [slice(None), slice(3, 9), slice(490, 900), slice(9, 3), slice(0, 100, 7)])
def test_slices_are_those_of_the_array(path: Path, part: slice) -> None:
    np.testing.assert_array_equal(StoredRows(path)[part], VECTORS[part])
    np.testing.assert_array_equal(np.asarray(StoredRows(path)), VECTORS)


@pytest.mark.parametrize("kind", ["<f2", ">f2", ">f4", "<f8", ">f8"])
def test_every_width_and_byte_order_becomes_float32(tmp_path: Path, kind: str) -> None:
    np.save(tmp_path / "v.npy", VECTORS.astype(kind))
    rows = StoredRows(tmp_path / "v.npy")[:]
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, VECTORS.astype(kind).astype(np.float32))


def test_long_files_are_read_in_parts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsface.stored_rows._AT_ONCE", 100)
    np.testing.assert_array_equal(StoredRows(path)[:], VECTORS)


def test_rows_beyond_the_end_are_refused(path: Path) -> None:
    for rows in ([500], [-501], [0, 10**9]):
        with pytest.raises(IndexError):
            StoredRows(path)[np.array(rows)]


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (VECTORS.astype(np.int8), "of type int8"),
        (VECTORS.astype(np.complex64), "of type complex64"),
        (VECTORS[0], "of shape"),
        (VECTORS[:, :0], "of shape"),
        (VECTORS.reshape(500, 7, 1), "of shape"),
        (np.asfortranarray(VECTORS), "column by column"),
        (np.array(["a", "b"]), "of type"),
    ],
)
def test_what_holds_no_embeddings_is_refused(tmp_path: Path, array: np.ndarray, problem: str) -> None:
    np.save(tmp_path / "v.npy", array)
    with pytest.raises(DataError, match=f"v.npy: .*{problem}"):
        StoredRows(tmp_path / "v.npy")


@pytest.mark.parametrize("left", [0, 128, 5000])
def test_a_file_that_is_cut_while_it_is_read_is_an_error(path: Path, left: int) -> None:
    """In a process of its own: a memory map would end it with SIGBUS."""
    code = (
        "import os, sys; import numpy as np; from nsface.stored_rows import StoredRows\n"
        f"rows = StoredRows({str(path)!r}); os.truncate({str(path)!r}, {left})\n"
        "try: rows[np.arange(500)]\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout == f"DataError {path}: it was cut short while it was read; make it or copy it again\n"
