"""Files to which lines are added while a training goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nsface.errors import DiskFull, shown
from nsface.files import FULL, reason, sync


class WholeLines:
    """Adds text to a file, all of it or nothing, also where the disk becomes full in the middle.

    Args:
        path: of the file, which is made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def write(self, text: str) -> None:
        """Add `text`; it is visible to others when this returns.

        Raises:
            DiskFull: it cannot be written; the file is as it was.
        """
        left = memoryview(text.encode())
        with full_disk_is_an_error(self._path):
            before = os.fstat(self._file.fileno()).st_size
            try:
                while left:
                    left = left[self._file.write(left) :]
            except OSError:
                self._file.truncate(before)
                raise

    def sync(self) -> None:
        """Return when all lines are on the disk.

        Raises:
            DiskFull: they cannot be written.
        """
        with full_disk_is_an_error(self._path):
            sync(self._path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@contextmanager
def full_disk_is_an_error(path: Path) -> Iterator[None]:
    """Turn the error of a full disk into a `DiskFull` about `path`, with the remedy of a training."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFull(
            f"cannot write {shown(path)}: {reason(error)}; free some space and go on with the same command "
            "and --resume"
        ) from error
