"""The journal of work on a folder, by which a call goes on where an interrupted one has stopped."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from nsface.errors import NsfaceError, joined, shown
from nsface.files import lock, reason

Entry = TypeVar("Entry", bound=BaseModel)


class Journal(Generic[Entry]):
    """A file of JSON lines in the folder that is worked on, locked while it is open.

    The first line is the plan, which says what is made from what. Each further line is an entry about a part
    of the work that is done, in the order of the parts. A line that a killed process has left half-written is
    removed.

    Args:
        path: the journal. Its folder exists, and holds other files only if it holds this journal too.
        plan: what decides the work, as JSON can hold it.
        entry_type: the pydantic model of an entry.
        restart: what to do with the work of another plan: with true, all files of the folder are removed and
            the work begins anew; with false, it is an error.

    Attributes:
        entries: the parts that are done.

    Raises:
        NsfaceError: the folder has other files in it, holds the work of another plan, is in use by another
            process, or cannot be written.
    """

    def __init__(
        self, path: Path, plan: dict[str, Any], entry_type: type[Entry], *, restart: bool = False
    ) -> None:
        self._path, self._folder = path, path.parent
        self.entries: list[Entry] = []
        self._ends: list[int] = []  # bytes up to the end of the plan and of each entry
        try:
            if not path.exists() and any(self._folder.iterdir()):
                raise NsfaceError(
                    f"{shown(self._folder)} has other files in it already; remove it, or choose another name"
                )
            self._file = path.open("a+b")
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            if not lock(self._file):
                raise NsfaceError(f"{shown(self._folder)} is being written by another process")
            self._read(json.dumps(plan, ensure_ascii=False).encode() + b"\n", entry_type, restart)
        except OSError as error:
            self._file.close()
            raise self._unwritable(error) from error
        except NsfaceError:
            self._file.close()
            raise

    def _read(self, plan: bytes, entry_type: type[Entry], restart: bool) -> None:
        self._file.seek(0)
        lines = [line for line in self._file if line.endswith(b"\n")]
        if lines and lines[0] != plan and not restart:
            raise NsfaceError(
                f"{shown(self._folder)} holds the work of another call{_differences(lines[0], plan)}; choose "
                "another name, or remove that folder"
            )
        if not lines or lines[0] != plan:
            self._begin(plan, restart)
            return
        self._ends.append(len(plan))
        for line in lines[1:]:
            try:
                self.entries.append(entry_type.model_validate_json(line))
            except ValidationError:
                break
            self._ends.append(self._ends[-1] + len(line))
        self.keep(len(self.entries))

    def _begin(self, plan: bytes, restart: bool) -> None:
        """Write the plan into the empty journal; with `restart`, remove all other files first."""
        if restart:
            for file in self._folder.iterdir():
                if file != self._path:
                    file.unlink()
        self._file.truncate(0)
        self._file.write(plan)
        self._file.flush()
        self._ends.append(len(plan))

    def keep(self, count: int) -> None:
        """Remove all entries but the first `count`.

        Raises:
            OSError: the journal cannot be written.
        """
        self._file.truncate(self._ends[count])
        del self.entries[count:], self._ends[count + 1 :]

    def add(self, entry: Entry) -> None:
        """Add an entry about the next part of the work.

        Raises:
            NsfaceError: it cannot be written.
        """
        line = entry.model_dump_json(exclude_none=True).encode() + b"\n"
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error
        self.entries.append(entry)
        self._ends.append(self._ends[-1] + len(line))

    def _unwritable(self, error: OSError) -> NsfaceError:
        return NsfaceError(f"cannot write {shown(self._folder)}: {reason(error)}")

    def close(self) -> None:
        """Close the file, which releases the lock."""
        self._file.close()

    def __enter__(self) -> Journal[Entry]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _differences(there: bytes, here: bytes) -> str:
    """The keys in which two plans differ, for a message."""
    try:
        one, other = (dict(json.loads(plan)) for plan in (there, here))
    except ValueError:
        return ""
    keys = [key for key in {**other, **one} if one.get(key) != other.get(key)]
    return f" (not the same {joined(keys)})"
