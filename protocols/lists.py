"""Reading of text lists: strict about their content, tolerant of how editors save them.

A byte order mark, CR LF line ends and blank lines at the end are accepted. Everything else that is unexpected
is an error of one line with file and line number.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nsface.errors import DataError, shown
from nsface.text import text_lines


@dataclass(frozen=True)
class Line:
    """One line of a list: its text without the line end, its number and its file."""

    text: str
    number: int
    path: Path

    def error(self, problem: str, remedy: str) -> DataError:
        """A `DataError` that begins with `file:line`."""
        return DataError(f"{shown(self.path)}:{self.number}: {shown(problem)}; {shown(remedy)}")

    def fields(self, count: int, expected: str, where: str = "", separator: str | None = None) -> list[str]:
        """Split into exactly `count` non-empty fields, or raise an error that says what is `expected`."""
        parts = [part.strip() for part in self.text.split(separator)]
        if len(parts) != count or not all(parts):
            raise self.error(
                f"'{shorten(self.text)}' is not '{expected}'{where}", f"{count} fields are needed"
            )
        return parts

    def integer(self, text: str, what: str, lowest: int = 1) -> int:
        """`text` as an integer of at least `lowest`, or raise an error that calls it `what`."""
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= lowest):
            raise self.error(f"'{shorten(text)}' is no {what}", f"a whole number from {lowest} up is needed")
        return int(text)

    def flag(self, text: str) -> bool:
        """`text` as 0 (different) or 1 (same)."""
        if text not in ("0", "1"):
            raise self.error(f"'{shorten(text)}' is no label", "1 (same person) or 0 (different) is needed")
        return text == "1"


def shorten(text: str, length: int = 60) -> str:
    """`text` cut to `length` characters, for messages, where `Line.error` escapes it."""
    return text if len(text) <= length else text[:length] + "…"


def read_lines(path: str | os.PathLike[str]) -> list[Line]:
    """All lines of a UTF-8 text file but blank ones at its end.

    Raises:
        DataError: the file is missing, empty or not UTF-8 text, or has an overlong or a blank line.
    """
    source = Path(path)
    lines = [Line(text, number, source) for number, text in enumerate(text_lines(source), start=1)]
    while lines and not lines[-1].text.strip():
        lines.pop()
    if not lines:
        raise DataError(f"{shown(source)}:1: the file is empty; give a list")
    for line in lines:
        if not line.text.strip():
            raise line.error("a blank line", "remove it")
    return lines


def blocks(lines: list[Line], start: int, count: int, block: str, items: str) -> Iterator[list[Line]]:
    """Yield the lines of each of `count` blocks, which follow each other from line `start` on to the end.

    The number of its lines precedes a block. `block` and `items` are the words for a block and for its lines
    in messages.

    Raises:
        DataError: there are more lines than the numbers say, or fewer.
    """
    for number in range(1, count + 1):
        if start == len(lines):
            raise lines[-1].error(
                f"the list ends after {number - 1} of {count} {block}s", "get the whole list"
            )
        size = lines[start].integer(lines[start].text.strip(), f"number of {items}")
        here = lines[start + 1 : start + 1 + size]
        if len(here) < size:
            raise lines[-1].error(
                f"{len(here)} of the {size} {items} of {block} {number}", "get the whole list"
            )
        yield here
        start += 1 + size
    if start < len(lines):
        raise lines[start].error(f"a line beyond the {count} {block}s", "remove it or correct the counts")
