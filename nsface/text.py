"""Text files that users wrote or saved: UTF-8, and a clear error for everything else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from select import select

from nsface.errors import DataError, shown
from nsface.files import reason

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LONGEST_LINE = 4096  # bytes; the longest line of any published list is below 200
_AT_ONCE = 1 << 16  # bytes of a file that arrive together; no path is longer
_PATIENCE = 0.2  # seconds between two looks at whether to stop
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def text_lines(path: Path) -> list[str]:
    """The lines of the text file `path` without their ends, which are LF, CR LF or CR.

    A byte order mark is removed. Blank lines are kept, so that line number i + 1 is item i.

    Raises:
        DataError: the file cannot be read, is UTF-16, or has a line that is not UTF-8, holds zero bytes or is
            longer than LONGEST_LINE; file and line are named.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot be read: {reason(error)}") from error
    refuse_utf16(data, f"{path}:1")
    lines = data.removeprefix(BYTE_ORDER_MARK).splitlines()
    return [_decoded(line, f"{shown(path)}:{number}") for number, line in enumerate(lines, start=1)]


def decode(data: bytes, where: str, *, surrogates: bool = False) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Args:
        where: what to call the file in messages.
        surrogates: keep bytes that are not UTF-8 as Python's surrogates, as in names of files.

    Raises:
        DataError: UTF-16, with or without its mark, or not a text in UTF-8.
    """
    refuse_utf16(data, where)
    try:
        return data.removeprefix(BYTE_ORDER_MARK).decode(
            "utf-8", "surrogateescape" if surrogates else "strict"
        )
    except UnicodeDecodeError as error:
        raise DataError(f"{shown(where)}: not a text file in UTF-8") from error


def arriving_lines(
    handle: int, nul: bool, where: str, stopped: Callable[[], bool] = lambda: False
) -> Iterator[bytes]:
    """The lines of an open file, each as soon as it has arrived, while others may still be written to it.

    Args:
        handle: the number of the file.
        nul: lines, which are paths, end with NUL.
        where: what to call the file in messages.
        stopped: asked again and again whether to end, whether or not anything arrives.

    Raises:
        DataError: a line is longer than any path.
        OSError: the file cannot be read.
    """
    separator, line = b"\0" if nul else b"\n", b""
    while not stopped():
        if not select([handle], [], [], _PATIENCE)[0]:
            continue
        part = os.read(handle, _AT_ONCE)
        if not part:
            break
        *lines, line = (line + part).split(separator)
        yield from lines
        if len(line) > _AT_ONCE:
            remedy = "-0 needs NUL after each path" if nul else "give -0 if paths end with NUL"
            raise DataError(
                f"{shown(where)}: {len(line):,} bytes without an end of line, which are no path; {remedy}"
            )
    if line:
        yield line


def refuse_utf16(data: bytes, where: str) -> None:
    """Raise a DataError where `data` begin as UTF-16 does: with its mark, or a zero byte in every letter."""
    start = data[:64]
    even, odd = start[::2], start[1::2]
    unmarked = len(start) >= 4 and (
        (not any(even) and all(odd[: len(even)])) or (not any(odd) and all(even[: len(odd)]))
    )
    if unmarked or data.startswith(_UTF16_MARKS):
        raise DataError(f"{shown(where)}: this is UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`")


def _decoded(line: bytes, place: str) -> str:
    if len(line) > LONGEST_LINE:
        raise DataError(f"{place}: a line of {len(line):,} bytes; this is not a list of the expected kind")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 text; give a text list, not a binary file") from error
    if "\0" in text:
        raise DataError(f"{place}: holds zero bytes; give a text list, not a binary file")
    return text
