"""A store that is being made: a folder with a journal and a data file that only grows.

Each block of images is appended to the data file first, and then gets an entry in the journal. When the
folder is opened again with the same plan, the work goes on after the last block whose bytes fit their
checksum; with another plan it begins anew. Two processes cannot work on one folder.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import BaseModel

from nsface.errors import NsfaceError
from nsface.files import reason, share
from nsface.images.journal import Journal

JOURNAL = "journal.jsonl"


class BlockEntry(BaseModel):
    """The entry of a block in the journal: images `first` … `first` + `count` − 1 of the source.

    Attributes:
        bytes, sha256: number and checksum of the bytes that the block added to the data file.
        sizes: bytes of each image that was added, in their order.
        bad: the reason for each image that was not added, by its number in the source.
    """

    first: int
    count: int
    bytes: int
    sha256: str
    sizes: list[int]
    bad: dict[int, str]


class PartialStore:
    """The folder of a store that is being made, locked while it is open.

    Args:
        plan: what decides the content of the store, as JSON can hold it.
        data: name of the data file.
        start: bytes at the beginning of the data file that belong to no block.

    Attributes:
        entries: the blocks that are done.

    Raises:
        NsfaceError: the folder has other files in it, is in use, or cannot be written.
    """

    def __init__(self, folder: Path, plan: dict[str, Any], data: str, start: int) -> None:
        self.folder = folder
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        self._journal = Journal(folder / JOURNAL, plan, BlockEntry, restart=True)
        self.entries = self._journal.entries
        try:
            self._data = (folder / data).open("r+b" if (folder / data).exists() else "w+b")
            self._remove_damaged_blocks(start)
        except OSError as error:
            self._journal.close()
            raise self._unwritable(error) from error

    def _remove_damaged_blocks(self, start: int) -> None:
        """Keep the blocks up to the first whose bytes do not fit their checksum; cut both files off there."""
        self._data.seek(start)
        end, good = start, 0
        for entry in self.entries:
            if hashlib.sha256(self._data.read(entry.bytes)).hexdigest() != entry.sha256:
                break
            end, good = end + entry.bytes, good + 1
        self._journal.keep(good)
        self._data.truncate(end)
        self._data.seek(end)

    @property
    def images(self) -> int:
        """Number of images of the source that are done, good and bad."""
        return sum(entry.count for entry in self.entries)

    def add(self, entry: BlockEntry, data: bytes | memoryview) -> None:
        """Add a block: first its bytes, then its entry.

        Raises:
            NsfaceError: it cannot be written.
        """
        try:
            self._data.write(data)
            self._data.flush()
        except OSError as error:
            raise self._unwritable(error) from error
        self._journal.add(entry)

    def complete(self, head: bytes) -> None:
        """Write the beginning of the data file, and have all of it on disk."""
        self._data.seek(0)
        self._data.write(head)
        self._data.flush()
        os.fsync(self._data.fileno())

    def _unwritable(self, error: OSError) -> NsfaceError:
        return NsfaceError(f"cannot write {self.folder}: {reason(error)}")

    def __enter__(self) -> PartialStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data.close()
        self._journal.close()


def remove_journal(folder: Path) -> None:
    """Remove the journal from a finished store, and give the folder the usual permissions."""
    (folder / JOURNAL).unlink()
    share(folder, 0o777)
