"""The lock by which one process at a time trains in a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nsface import files
from nsface.errors import NsfaceError, shown

_TRIES, _PAUSE = 5, 0.02  # to lock a folder, and seconds between two: `is_held` locks it for a moment


@contextmanager
def held(handle: int, folder: Path) -> Iterator[None]:
    """While entered hold `folder`, which is open as `handle`, against other processes; then close it.

    Raises:
        NsfaceError: another process holds it.
    """
    try:
        if not _locked_soon(handle):
            raise NsfaceError(
                f"{shown(folder)}: another process is training in this folder; wait for it, or choose "
                "another --out"
            )
        with files.not_inherited(handle):
            yield
    finally:
        os.close(handle)


def is_held(folder: Path) -> bool:
    """Whether a process holds `folder`; false too where it cannot be opened, or locked at all."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not files.lock(handle, shared=True)
    finally:
        os.close(handle)


def _locked_soon(handle: int) -> bool:
    """Lock an open folder; false where another process goes on holding it."""
    for _ in range(_TRIES):
        if files.lock(handle):
            return True
        time.sleep(_PAUSE)
    return False
