"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nsface.errors import NsfaceError


def reason(error: OSError) -> str:
    """The operating system's own words for `error`, without the path."""
    return (error.strerror or str(error)).lower()


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes `path`'s place, on failure it is removed.

    A reader never sees half a file and a failed run leaves the old one.

    Raises:
        NsfaceError: the folder does not exist or cannot be written.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name[:100]}.", suffix=target.suffix
        )
    except OSError as error:
        raise NsfaceError(f"cannot write {target}: {reason(error)}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp's 0600 would surprise whoever shares the folder
        try:
            os.replace(temporary, target)
        except OSError as error:
            raise NsfaceError(f"cannot write {target}: {reason(error)}") from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise the NsfaceError that writing `path` would raise, before the work is done."""
    target = Path(path)
    if target.is_dir():
        raise NsfaceError(f"cannot write {target}: it is a folder")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        why = "permission denied" if target.parent.is_dir() else "no such folder"
        raise NsfaceError(f"cannot write {target}: {why}: {target.parent}")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
