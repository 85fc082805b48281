"""Text from files that anybody wrote: UTF-8, and what else it is said in plain words."""

from __future__ import annotations

from nsface.errors import DataError, shown

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def decode(data: bytes, where: str, *, surrogates: bool = False) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Args:
        where: what to call it in messages.
        surrogates: keep bytes that are not UTF-8, as in names of files.

    Raises:
        DataError: UTF-16, with or without its mark, or not a text in UTF-8.
    """
    if is_utf16(data):
        raise DataError(f"{shown(where)}: this is UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`")
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode(
            "utf-8", "surrogateescape" if surrogates else "strict"
        )
    except UnicodeDecodeError as error:
        raise DataError(f"{shown(where)}: not a text file in UTF-8") from error


def is_utf16(data: bytes) -> bool:
    """Whether `data` begin with UTF-16's mark, or, as UTF-16 without one does, hold a zero byte a letter."""
    if data.startswith(_UTF16):
        return True
    start = data[:64]
    even, odd = start[::2], start[1::2]
    return len(start) >= 4 and (
        (not any(even) and all(odd[: len(even)])) or (not any(odd) and all(even[: len(odd)]))
    )
