"""Decoded pixels in a file, read where they are asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.files import reason

Pixels = npt.NDArray[np.uint8]


class PixelFile:
    """N images of one size in a file, one after the other; safe to use from several threads and processes.

    The file is not mapped: a mapped one that becomes shorter ends the process without a word, and gathering
    the rows of a batch from it takes ten times as long.

    Args:
        path: the file.
        shape: N, height, width and 3.
        start: bytes before the first image.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int, int], start: int) -> None:
        self.path, self.shape = path, shape
        self._start = start
        self._size = shape[1] * shape[2] * shape[3]
        self._file = path.open("rb")

    def __len__(self) -> int:
        return self.shape[0]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_file"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._file = self.path.open("rb")

    def rows(self, indices: npt.NDArray[np.int64] | Sequence[int], out: Pixels | None = None) -> Pixels:
        """The images `indices`, uint8, B × height × width × 3, copied into `out` if it is given.

        Raises:
            DataError: the file cannot be read, or has become shorter.
        """
        if out is None:
            out = np.empty((len(indices), *self.shape[1:]), np.uint8)
        flat = out.reshape(len(indices), self._size)
        number = self._file.fileno()
        for row, index in enumerate(np.asarray(indices, np.int64).tolist()):
            try:
                # pread keeps no position, so threads can share the file
                data = os.pread(number, self._size, self._start + index * self._size)
            except OSError as error:
                raise DataError(f"{self.path}: cannot be read: {reason(error)}") from error
            if len(data) != self._size:
                raise DataError(
                    f"{self.path}: it has become shorter while it was read; make or copy it again"
                )
            flat[row] = np.frombuffer(data, np.uint8)
        return out

    def block(self, start: int, stop: int) -> Pixels:
        """Images `start` to `stop` − 1.

        Raises:
            DataError: as `rows`.
        """
        return self.rows(range(start, min(stop, len(self))))
