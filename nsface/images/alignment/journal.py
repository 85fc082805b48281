"""What an alignment has done so far, so that it can go on after an interruption."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import BaseModel, ValidationError

from nsface.errors import NsfaceError
from nsface.files import lock, reason, write_text


class Done(BaseModel):
    """An image that was aligned, with its ten coordinates (x1 y1 … x5 y5), or the reason why not."""

    name: str
    points: list[float] | None = None
    confidence: float | None = None
    reason: str | None = None


class Journal:
    """The journal in the folder `folder`, locked while it is open: the plan, then a line an image, in order.

    Args:
        name, summary: of the journal, and of the file with the plan that takes its place in the end.
        plan: what is done; kept as JSON.

    Attributes:
        entries: what is done.
        complete: whether an earlier call finished everything.

    Raises:
        NsfaceError: the folder is of something else, is in use, or cannot be written.
    """

    def __init__(self, folder: Path, name: str, summary: str, plan: dict[str, Any]) -> None:
        self.entries: list[Done] = []
        self._path, self._summary, self._plan = folder / name, folder / summary, plan
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not self._path.exists() and any(folder.iterdir()):
                raise NsfaceError(
                    f"{folder} has other files in it already; choose another folder, or remove it"
                )
            self._file = self._path.open("a+b")
        except OSError as error:
            raise NsfaceError(f"cannot write {folder}: {reason(error)}") from error
        try:
            if not lock(self._file):
                raise NsfaceError(f"{folder} is being written by another process")
            self._resume(folder)
        except OSError as error:
            self._file.close()
            raise NsfaceError(f"cannot write {folder}: {reason(error)}") from error
        except NsfaceError:
            self._file.close()
            raise
        self.complete = self._summary.exists()

    def _resume(self, folder: Path) -> None:
        """Read the whole lines; cut off the one that was being written."""
        self._file.seek(0)
        lines = self._file.read().splitlines(keepends=True)
        plan = json.dumps(self._plan, ensure_ascii=False).encode() + b"\n"
        if lines and lines[0] != plan and lines[0].endswith(b"\n"):
            raise NsfaceError(
                f"{folder} holds the work of another call (other images, or other options); choose another "
                "folder, or remove it"
            )
        kept = 0
        for number, line in enumerate(lines):
            if not line.endswith(b"\n"):
                break
            if number:
                try:
                    self.entries.append(Done.model_validate_json(line))
                except ValidationError:
                    break
            kept += len(line)
        self._file.truncate(kept)
        if not kept:
            self._file.write(plan)
            self._file.flush()

    def add(self, entry: Done) -> None:
        """Add a line.

        Raises:
            NsfaceError: it cannot be written.
        """
        try:
            self._file.write(entry.model_dump_json(exclude_none=True).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise NsfaceError(f"cannot write {self._path}: {reason(error)}") from error
        self.entries.append(entry)

    def finish(self, counts: dict[str, int]) -> None:
        """Write the summary: everything is done."""
        write_text(self._summary, json.dumps(self._plan | counts, indent=2, ensure_ascii=False) + "\n")
        self.complete = True

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
