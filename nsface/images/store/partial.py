"""A store in the making: a folder with a plan, a data file that only grows, and a journal.

Each block of images that is added to the data file gets a line in the journal, after its bytes. Whoever
opens the folder again with the same plan goes on after the last block whose bytes fit their checksum; another
plan begins anew. Two processes cannot work on one folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from pydantic import BaseModel, ValidationError

from nsface.errors import NsfaceError
from nsface.files import lock, reason, share

PLAN, JOURNAL = "plan.json", "journal.jsonl"


class Entry(BaseModel):
    """A line of the journal: images `first` … `first` + `count` − 1 of the source.

    Attributes:
        bytes, sha256: of what they added to the data file.
        sizes: bytes of each image that was added, in their order.
        bad: the images that were not added, by their number, each with the reason.
    """

    first: int
    count: int
    bytes: int
    sha256: str
    sizes: list[int]
    bad: dict[int, str]


class Partial:
    """The folder, locked while it is open.

    Args:
        plan: what is made; kept as JSON.
        data: name of the data file.
        start: bytes at its beginning that belong to no block.

    Attributes:
        entries: what is done.

    Raises:
        NsfaceError: the folder is of something else, is in use, or cannot be written.
    """

    def __init__(self, folder: Path, plan: dict[str, Any], data: str, start: int) -> None:
        self.folder = folder
        self.entries: list[Entry] = []
        try:
            folder.mkdir(exist_ok=True)
            names = os.listdir(folder)
            if names and PLAN not in names:
                raise NsfaceError(f"{folder} is in the way; move it, or choose another name for the store")
            (folder / PLAN).touch()
            self._plan = (folder / PLAN).open("r+", encoding="utf-8")
            self._lock()
            text = json.dumps(plan)
            same = self._plan.read() == text
            for name in set(names) - {PLAN} if not same else ():
                (folder / name).unlink()
            self._data = (folder / data).open("r+b" if same and data in names else "w+b")
            self._journal = (folder / JOURNAL).open("r+b" if same and JOURNAL in names else "w+b")
            self._resume(start)
            if not same:
                self._plan.seek(0)
                self._plan.truncate()
                self._plan.write(text)
                self._plan.flush()
        except OSError as error:
            raise NsfaceError(f"cannot write {folder}: {reason(error)}") from error

    def _lock(self) -> None:
        if not lock(self._plan):
            self._plan.close()
            raise NsfaceError(f"{self.folder} is being written by another process")

    def _resume(self, start: int) -> None:
        """Take what the journal has and the data file bears out, and cut off the rest of both."""
        self._data.seek(start)
        kept = 0
        for line in self._journal:
            try:
                entry = Entry.model_validate_json(line)
            except ValidationError:  # the line that was being written
                break
            if hashlib.sha256(self._data.read(entry.bytes)).hexdigest() != entry.sha256:
                break
            self.entries.append(entry)
            kept += len(line)
        _cut(self._data, start + sum(entry.bytes for entry in self.entries))
        _cut(self._journal, kept)

    @property
    def images(self) -> int:
        """Images of the source that are done, good and bad."""
        return sum(entry.count for entry in self.entries)

    def add(self, entry: Entry, data: bytes | memoryview) -> None:
        """Add a block: first its bytes, then its line.

        Raises:
            NsfaceError: it cannot be written.
        """
        try:
            self._data.write(data)
            self._data.flush()
            self._journal.write(entry.model_dump_json().encode() + b"\n")
            self._journal.flush()
        except OSError as error:
            raise NsfaceError(f"cannot write {self.folder}: {reason(error)}") from error
        self.entries.append(entry)

    def complete(self, head: bytes) -> None:
        """Write the beginning of the data file, and have all of it on disk."""
        self._data.seek(0)
        self._data.write(head)
        self._data.flush()
        os.fsync(self._data.fileno())

    def __enter__(self) -> Partial:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._data, self._journal, self._plan):
            file.close()


def discard_journal(folder: Path) -> None:
    """Remove from a finished folder what only its making needed."""
    for name in (JOURNAL, PLAN):
        (folder / name).unlink()
    share(folder, 0o777)


def _cut(file: BinaryIO, size: int) -> None:
    file.truncate(size)
    file.seek(size)
