"""The files of a folder that may be lists of a protocol, known by their content.

A protocol finds its lists among them by `Protocol.found_among`, for `nsface eval-all`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from nsface.errors import DataError, shown
from nsface.files import reason
from nsface.names import has_foreign_extension, has_image_extension
from nsface.text import BYTE_ORDER_MARK, LONGEST_LINE

DEEPEST = 6  # folders below the one that is searched
MOST_FILES = 100_000  # that are looked at, images included
_HEAD = 1 << 16  # bytes that tell what a file is
_CHUNK = 1 << 24


@dataclass(frozen=True)
class ListFile:
    """A file that may be a list, by its first 64 KiB.

    Attributes:
        copies: other files with the same content, where those were sought.
    """

    path: Path
    head: bytes
    copies: tuple[Path, ...] = ()

    @cached_property
    def lines(self) -> list[str]:
        """The whole lines of the head; none where it is no text."""
        utf16 = self.head.startswith((b"\xff\xfe", b"\xfe\xff"))  # which the reader refuses with a remedy
        head = self.head if utf16 else self.head.removeprefix(BYTE_ORDER_MARK)
        if len(self.head) == _HEAD:
            head = head[: head.rfind(b"\n") + 1]
        if not utf16 and b"\0" in head:
            return []
        text = head.decode("utf-16" if utf16 else "utf-8", "replace")
        lines = text.rstrip().splitlines()
        return lines if all(len(line) <= LONGEST_LINE for line in lines) else []

    def mostly(self, test: Callable[[str], bool], skip: int = 0) -> bool:
        """Whether more than half of the lines after the first `skip` pass `test`: a list with a malformed
        line is to be recognised, and refused by its reader."""
        lines = self.lines[skip:]
        return 2 * sum(map(test, lines)) > len(lines)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content; of text without carriage returns and byte order mark."""
        digest, text = hashlib.sha256(), bool(self.lines)
        with self.path.open("rb") as file:
            if text and self.head.startswith(BYTE_ORDER_MARK):
                file.seek(len(BYTE_ORDER_MARK))
            while chunk := file.read(_CHUNK):
                digest.update(chunk.replace(b"\r", b"") if text else chunk)
        return digest.hexdigest()

    def is_like(self, other: ListFile) -> tuple[bool, bool]:
        """Whether it lies beside `other`, and whether both names begin with the same word, as those of the
        lists of one benchmark do."""
        words = [file.path.stem.partition("_")[0] for file in (self, other)]
        return self.path.parent == other.path.parent, words[0] == words[1]


def distinct(files: Iterable[ListFile]) -> list[ListFile]:
    """One of all files with the same content, the first, with its `copies`."""
    found: dict[str, ListFile] = {}
    for file in files:
        first = found.setdefault(file.digest, file)
        if first is not file:
            found[file.digest] = replace(first, copies=(*first.copies, file.path))
    return list(found.values())


def nearest(file: ListFile, among: Sequence[ListFile]) -> ListFile | None:
    """Of the lists that may belong to `file`, the one that lies beside it, or is called as it is."""
    return max(among, key=file.is_like, default=None)


def is_number(text: str) -> bool:
    """Whether `text` is a whole number from 0 up."""
    return text.isascii() and text.isdigit()


@dataclass(frozen=True)
class Contents:
    """What lies in a folder and below it.

    Attributes:
        files: all files but images, sorted by path; of a folder that is there twice, by a link, once.
        unreadable: the files and folders that cannot be read, each with the reason.
        more: whether the folder has more files, or deeper ones, than were looked at.
    """

    files: list[ListFile]
    unreadable: list[tuple[Path, str]]
    more: bool


def contents(folder: str | os.PathLike[str]) -> Contents:
    """Look at the files in `folder` and below it; at most 100,000, and six levels, those near the top first.

    Raises:
        DataError: there is no such folder.
    """
    top = Path(folder)
    if not os.path.isdir(top):
        raise DataError(f"{shown(top)}: no such folder; give the folder with the lists of the benchmarks")
    files, unreadable, level, seen, looked_at = [], [], [top], set(), 0
    for _ in range(DEEPEST + 1):
        below = []
        for path in level:
            try:
                if not path.is_dir():
                    files.append(ListFile(path, _head(path)))
                    continue
                status = path.stat()
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                entries = _entries(path)
            except OSError as error:
                unreadable.append((path, reason(error)))
                continue
            looked_at += len(entries)
            if looked_at > MOST_FILES:
                return _contents(files, unreadable, more=True)
            below += entries
        level = below
    return _contents(files, unreadable, more=bool(level))


def _contents(files: list[ListFile], unreadable: list[tuple[Path, str]], more: bool) -> Contents:
    return Contents(sorted(files, key=lambda file: file.path), unreadable, more)


def list_file(path: Path) -> ListFile:
    """The file at `path` as one that may be a list.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return ListFile(path, _head(path))
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot be read: {reason(error)}") from error


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _entries(folder: Path) -> list[Path]:
    """The folders in `folder`, its files but images, pipes and devices, and links that lead in a circle."""
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if _is_looked_at(entry))


def _is_looked_at(entry: os.DirEntry[str]) -> bool:
    try:
        if entry.is_dir():
            return True
        other = has_image_extension(entry.name) or has_foreign_extension(entry.name)
        return entry.is_file() and not other
    except OSError:  # of this entry alone; opening it says why
        return True
