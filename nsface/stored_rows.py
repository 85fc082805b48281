"""Rows of an array in a `.npy` file, read when they are needed: embeddings that do not fit into memory."""

from __future__ import annotations

import os
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError, shown
from nsface.row_file import RowFile
from nsface.untrusted import read_array_header

_AT_ONCE = 1 << 24  # bytes of one read


class StoredRows:
    """An (N, D) array of floating-point numbers in a `.npy` file; indexing it gives float32 in memory.

    It is indexed by a row's number, a slice, or an array of row numbers. `numpy.asarray` reads all of it.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open `path`.

        Raises:
            DataError: not a two-dimensional array of floating-point numbers, or its header promises more than
                the file holds.
            OSError: it cannot be opened.
        """
        self.path = Path(path)
        with ExitStack() as on_error:
            file = on_error.enter_context(self.path.open("rb", buffering=0))
            header = read_array_header(file, os.fstat(file.fileno()).st_size, str(path))
            check_numbers(header.dtype, header.shape, str(path))
            if header.fortran_order and 1 not in header.shape:
                raise DataError(
                    f"{shown(path)}: its array lies column by column (Fortran order); "
                    "save it by rows: numpy.save(FILE, numpy.ascontiguousarray(ARRAY))"
                )
            on_error.pop_all()
        self.shape: tuple[int, int] = (header.shape[0], header.shape[1])
        self._stored = header.dtype
        self._width = self.shape[1] * header.dtype.itemsize  # bytes of a row
        self._rows = RowFile(file, header.offset, self._width)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice | npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """A row, or the rows of a slice, or with these numbers, in this order.

        Raises:
            DataError: the file has become shorter since it was opened.
        """
        if isinstance(rows, int | np.integer):
            row: npt.NDArray[np.float32] = self[np.array([rows])][0]
            return row
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                result = np.empty((max(0, stop - start), self.shape[1]), np.float32)
                self._read(result, start)
                return result
            rows = np.arange(start, stop, step)
        numbers = np.asarray(rows)
        if len(numbers) and not (-len(self) <= numbers.min() and numbers.max() < len(self)):
            raise IndexError(f"rows {numbers.min()} to {numbers.max()} of {len(self)}")
        numbers = np.where(numbers < 0, numbers + len(self), numbers)
        result = np.empty((len(numbers), self.shape[1]), np.float32)
        ends = np.flatnonzero(np.append(np.diff(numbers) != 1, True)) + 1 if len(numbers) else numbers
        for first, last in pairwise([0, *ends.tolist()]):  # runs of neighbours are read together
            self._read(result[first:last], int(numbers[first]))
        return result

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype)

    def _read(self, result: npt.NDArray[np.float32], first: int) -> None:
        """Read the rows from `first` on into `result`."""
        step = max(1, _AT_ONCE // self._width)
        for start in range(0, len(result), step):
            part = result[start : start + step]
            if self._stored == np.float32:
                self._rows.read_into(part, first + start)
                continue
            stored = np.empty(part.shape, self._stored)
            self._rows.read_into(stored, first + start)
            with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold becomes infinite
                part[...] = stored


Vectors = npt.NDArray[np.float32] | StoredRows


def check_numbers(dtype: np.dtype[Any], shape: tuple[int, ...], where: str) -> None:
    """Refuse what is no (N, D) array of floating-point numbers with D ≥ 1.

    Raises:
        DataError: it is not; the message starts with `where`.
    """
    if dtype.kind != "f":
        raise DataError(
            f"{shown(where)}: embeddings of type {shown(dtype)}; save them as float32 "
            "(float16 and float64 are read too)"
        )
    if len(shape) != 2 or shape[1] < 1:
        raise DataError(
            f"{shown(where)}: embeddings of shape {shape}; a row a name is needed, (images, dimensions)"
        )
