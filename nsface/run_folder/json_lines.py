"""Files of JSON objects, a line each, that a run adds to while others read them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nsface.checked import checked
from nsface.errors import DataError, shown
from nsface.files import reason
from nsface.untrusted import parse_json

_NEWEST = 1 << 14  # bytes of a file's end: some forty lines of a log


def finished_lines(content: bytes, file: str, kind: type[BaseModel]) -> list[tuple[dict[str, Any], str]]:
    """Every line but a last one without an end, which is still being written: read, and as it stands.

    Args:
        content: of the file.
        file: what to call it in messages.
        kind: what each line must be.

    Raises:
        DataError: a line is damaged; file and line are named.
    """
    found = []
    for number, text in enumerate(content.split(b"\n")[:-1], 1):
        where, remedy = f"{file}:{number}", "remove the line"
        try:
            read = parse_json(text, where)
        except DataError as error:
            raise DataError(f"{error}; {remedy}") from error
        found.append((checked(kind, read, where, remedy), f"{text.decode()}\n"))
    return found


def newest_lines(file: Path, kind: type[BaseModel]) -> list[dict[str, Any]]:
    """The newest finished lines of `file`, some forty at most; empty where there is no file.

    Raises:
        DataError: a line is damaged, or the file cannot be read.
    """
    try:
        with file.open("rb") as opened:
            length = opened.seek(0, os.SEEK_END)
            start = opened.seek(max(0, length - _NEWEST))
            lines = opened.read(_NEWEST).split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{shown(file)}: cannot be read: {reason(error)}") from error
    where = f"{file}, near its end"
    whole = lines[1:] if start else lines
    return [checked(kind, parse_json(text, where), where, "remove the line") for text in whole]
