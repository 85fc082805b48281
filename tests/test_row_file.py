"""The header of an array file is the one that NumPy writes."""

from __future__ import annotations

import io

import numpy as np
import pytest

from nsface.row_file import NPY_START, npy_header


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (490_623, 112, 96, 3), (10**12, 10**4, 10**4, 3)])
def test_npy_headers_are_those_that_numpy_reads(shape: tuple[int, ...]) -> None:
    file = io.BytesIO(npy_header(shape, "|u1"))
    assert np.lib.format.read_magic(file) == (1, 0)
    assert np.lib.format.read_array_header_1_0(file) == (shape, False, np.dtype("u1"))
    assert file.tell() == NPY_START


@pytest.mark.parametrize("shape", [(0, 5), (7, 16), (1_234_567_890, 1024)])
def test_npy_headers_are_those_that_numpy_writes(shape: tuple[int, int]) -> None:
    written = io.BytesIO()
    described = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(written, described)
    assert written.getvalue() == npy_header(shape, "<f4")
