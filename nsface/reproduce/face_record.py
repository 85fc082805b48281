"""The record of the scores in a folder: of what each file was made, so that it is made once."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nsface.errors import DataError, shown
from nsface.files import digest, write_text
from nsface.protocols.planning import Planned
from nsface.results import Result, read_result
from nsface.untrusted import parse_json

RECORD = "scored.json"


class Record:
    """The results in a folder, and of what each was made.

    Args:
        clock: seconds, by which the making of results is measured.

    Attributes:
        seconds: spent on them so far.
    """

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._folder, self._file = folder, folder / RECORD
        self._keys: dict[str, str] = {}
        self.seconds = 0.0
        if self._file.exists():
            content = parse_json(self._file.read_bytes(), str(self._file))
            try:
                self._keys = {str(name): str(key) for name, key in content["made_of"].items()}
                self.seconds = float(content["seconds"])
            except (TypeError, KeyError, AttributeError, ValueError) as error:
                raise DataError(f"{shown(self._file)}: not what was written; remove it") from error

    def get(self, name: str, key: str, make: Callable[[], Result]) -> tuple[Result, bool]:
        """The result in the file `name`, and whether it was made anew: unless it was made of `key`."""
        path = self._folder / name
        made = self._keys.get(name) != key or not path.exists()
        if made:
            began = self._clock()
            content = make().to_json()
            self._folder.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
            self._keys[name] = key
            self.spend(self._clock() - began)
        result = read_result(
            parse_json(path.read_bytes(), str(path)), path
        )  # with the digits that files have
        if result is None:
            raise DataError(f"{shown(path)}: no result in it; remove it")
        return result, made

    def spend(self, seconds: float) -> None:
        """Add `seconds`, and write the record."""
        self.seconds += seconds
        content = {"made_of": self._keys, "seconds": round(self.seconds, 3)}
        write_text(self._file, json.dumps(content, indent=2) + "\n")


def is_comparable(planned: Planned) -> bool:
    """Whether two systems can be compared on these lists: not over several trials."""
    fields = planned.protocol.comparable.values()
    return bool(fields) and all(getattr(planned.protocol, name) is not None for name in fields)


def slug_of(title: str) -> str:
    """`LFW View 2` → `lfw-view-2`: the name of a file."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def lists_digest(planned: Planned) -> str:
    """SHA-256 of all files that the protocol reads, and of its other options."""
    found = hashlib.sha256(type(planned.protocol).__name__.encode())
    for one in dataclasses.fields(planned.protocol):  # type: ignore[arg-type]
        value = getattr(planned.protocol, one.name)
        for part in value if isinstance(value, tuple) else (value,):
            found.update(f"{one.name}={_content(part)}\n".encode())
    return found.hexdigest()


def _content(value: Any) -> str:
    """The digest of a file, or of the files in a folder; of another value itself."""
    if not isinstance(value, Path):
        return repr(value)
    if value.is_dir():
        return " ".join(digest(path) for path in sorted(value.iterdir()) if path.is_file())
    return digest(value)
