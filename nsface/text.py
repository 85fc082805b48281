"""Text from files that anybody wrote: UTF-8, and what else it is said in plain words."""

from __future__ import annotations

from pathlib import Path

from nsface.errors import DataError, shown
from nsface.files import reason

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path) -> str:
    """The text of the file `path`, as by `decode`.

    Raises:
        DataError: it cannot be read, or is not a text in UTF-8.
    """
    try:
        return decode(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot be read: {reason(error)}") from error


def decode(data: bytes, where: str, *, surrogates: bool = False) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Args:
        where: what to call it in messages.
        surrogates: keep bytes that are not UTF-8, as in names of files.

    Raises:
        DataError: UTF-16, with or without its mark, or not a text in UTF-8.
    """
    refuse_utf16(data, where)
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode(
            "utf-8", "surrogateescape" if surrogates else "strict"
        )
    except UnicodeDecodeError as error:
        raise DataError(f"{shown(where)}: not a text file in UTF-8") from error


def refuse_utf16(data: bytes, where: str) -> None:
    """Raise a DataError where `data` begin as UTF-16 does: with its mark, or a zero byte in every letter."""
    start = data[:64]
    even, odd = start[::2], start[1::2]
    unmarked = len(start) >= 4 and (
        (not any(even) and all(odd[: len(even)])) or (not any(odd) and all(even[: len(odd)]))
    )
    if unmarked or data.startswith(_UTF16):
        raise DataError(f"{shown(where)}: this is UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`")
