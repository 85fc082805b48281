"""Decoded pixels in a file, read image by image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsface.row_file import RowFile

Pixels = npt.NDArray[np.uint8]


class PixelFile:
    """N images of one size that lie in a file, read as by `RowFile`.

    Args:
        path: the file.
        shape: N, height, width and 3.
        start: bytes before the first image.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int, int], start: int) -> None:
        self.shape = shape
        self._images = RowFile(path.open("rb", buffering=0), start, shape[1] * shape[2] * shape[3])

    def __len__(self) -> int:
        return self.shape[0]

    def gather(self, indices: npt.NDArray[np.int64] | Sequence[int], out: Pixels | None = None) -> Pixels:
        """The images `indices`, uint8, B × height × width × 3, copied into `out` if it is given.

        Raises:
            DataError: the file cannot be read, or has become shorter.
        """
        if out is None:
            out = np.empty((len(indices), *self.shape[1:]), np.uint8)
        flat = out.reshape(len(indices), -1)
        for row, index in enumerate(np.asarray(indices, np.int64).tolist()):
            self._images.read_into(flat[row], index)
        return out

    def block(self, start: int, stop: int) -> Pixels:
        """Images `start` to `stop` − 1.

        Raises:
            DataError: as in `gather`.
        """
        return self.gather(range(start, min(stop, len(self))))
