"""A store or an embeddings file that is being made: a folder with a journal and a data file that only grows.

Each block is appended to the data file first, and then gets an entry in the journal. When the folder is
opened again with the same plan, the work goes on after the last block whose bytes fit their checksum. Two
processes cannot work on one folder.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from nsface.errors import NsfaceError
from nsface.files import reason, share
from nsface.images.journal import Journal

JOURNAL = "journal.jsonl"


class BlockEntry(BaseModel):
    """The entry of a block in the journal.

    Attributes:
        bytes, sha256: number and checksum of the bytes that the block added to the data file.
    """

    bytes: int = Field(ge=0)
    sha256: str


Entry = TypeVar("Entry", bound=BlockEntry)


class Partial(Generic[Entry]):
    """The folder of something that is being made, locked while it is open.

    Args:
        plan: what decides the content, as JSON can hold it.
        entry_type: the model of a block's entry.
        data: name of the data file.
        start: bytes at the beginning of the data file that belong to no block.
        restart: whether work of another plan is removed; otherwise it is an error.

    Attributes:
        entries: the blocks that are done.

    Raises:
        NsfaceError: the folder has other files in it, or holds other work, is in use, or cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        plan: dict[str, Any],
        entry_type: type[Entry],
        data: str,
        start: int,
        *,
        restart: bool,
    ) -> None:
        self.folder, self.data = folder, folder / data
        self._start = start
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        self._journal = Journal(folder / JOURNAL, plan, entry_type, restart=restart)
        self.entries = self._journal.entries
        try:
            self._data = self.data.open("r+b" if self.data.exists() else "w+b")
            self._remove_damaged_blocks()
        except OSError as error:
            self._journal.close()
            raise self._unwritable(error) from error

    def _remove_damaged_blocks(self) -> None:
        """Keep the blocks up to the first whose bytes do not fit their checksum."""
        self._data.seek(self._start)
        good, left = 0, os.fstat(self._data.fileno()).st_size - self._start
        for entry in self.entries:
            left -= entry.bytes
            if left < 0 or hashlib.sha256(self._data.read(entry.bytes)).hexdigest() != entry.sha256:
                break
            good += 1
        self.keep(good)

    def keep(self, count: int) -> None:
        """Keep the first `count` blocks only; both files are cut off there.

        Raises:
            OSError: they cannot be written.
        """
        self._journal.keep(count)
        end = self._start + sum(entry.bytes for entry in self.entries)
        self._data.truncate(end)
        self._data.seek(end)

    def add(self, entry: Entry, data: bytes | memoryview) -> None:
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

    def close(self) -> None:
        """Close the files, which releases the lock."""
        self._data.close()
        self._journal.close()

    def __enter__(self) -> Partial[Entry]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def remove_journal(folder: Path) -> None:
    """Remove the journal from a finished store, and give the folder the usual permissions."""
    (folder / JOURNAL).unlink()
    share(folder, 0o777)
