"""Rows of equal size in a file, read one by one."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path
from typing import Any

import numpy.typing as npt

from nsface.errors import DataError, shown
from nsface.files import reason

NPY_START = 128  # bytes of the header of an .npy file


def npy_header(shape: tuple[int, ...], kind: str) -> bytes:
    """The first NPY_START bytes of an .npy file in C order (format version 1.0), as NumPy writes them.

    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

    Args:
        kind: the type of the numbers as NumPy describes it, such as `<f4`.
    """
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    start = b"\x93NUMPY\x01\x00" + (NPY_START - 10).to_bytes(2, "little")
    return start + text.encode().ljust(NPY_START - 11) + b"\n"


class RowFile:
    """Rows of `size` bytes that lie in a file one after the other.

    It can be used from several threads, and sent to other processes. The file is read, not mapped into
    memory: a mapped file that is cut short ends the process without a message, and gathering rows from it
    takes ten times as long.

    Args:
        file: the open file; it is closed with this object.
        start: bytes before the first row.
    """

    def __init__(self, file: FileIO, start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(str(self._file.name))

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_file": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._file = state["_file"].open("rb", buffering=0)

    def read_into(self, out: npt.NDArray[Any], first: int) -> None:
        """Read the row `first`, and those after it that `out` has bytes for, into the contiguous array `out`.

        Raises:
            DataError: the file cannot be read, or has become shorter since it was opened.
        """
        try:
            # preadv moves no position in the file, which threads share
            count = os.preadv(self._file.fileno(), [out.data], self._start + first * self._size)
        except OSError as error:
            raise DataError(f"{shown(self.path)}: cannot be read: {reason(error)}") from error
        if count != out.nbytes:
            raise DataError(
                f"{shown(self.path)}: it was cut short while it was read; make it or copy it again"
            )
