"""Files of JSON objects, a line each, that a run adds to while others read them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from nsface.checked import checked
from nsface.errors import DataError
from nsface.untrusted import parse_json


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
