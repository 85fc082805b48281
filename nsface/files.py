"""Writing of files and folders that appear complete or not at all, and survive a power failure."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from errno import EACCES, EBADF, EDQUOT, EFBIG, EINVAL, ENOSPC, ENOSYS, ENOTSUP, EPERM
from itertools import chain, islice
from pathlib import Path

from nsface.errors import DiskFull, NsfaceError, shown
from nsface.unfinished import lock, not_inherited, share, unfinished

__all__ = [
    "FULL", "check_folder", "check_new_folder", "check_writable", "digest", "lock", "make_folder",
    "new_folder", "not_inherited", "place_folder", "reason", "replacing", "share", "sync", "write_text",
]  # fmt: skip

FULL = {ENOSPC, EDQUOT, EFBIG}  # the errors of writing to a full disk, or beyond a limit
_BLOCK = 1 << 20  # bytes that are hashed at once
_FEW = 256  # files and folders that are synced one by one
_UNSYNCABLE = {EACCES, EBADF, EINVAL, ENOSYS, ENOTSUP, EPERM}  # the errors of file systems that cannot sync


def reason(error: OSError) -> str:
    """The operating system's own words for `error`, without the path."""
    return (error.strerror or str(error)).lower()


def digest(*paths: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file in hexadecimal, as `sha256sum` prints it; of several, of one after the other.

    Raises:
        OSError: one cannot be read.

    Example:
        >>> digest("pairs.txt")[:8]  # doctest: +SKIP
        'ea42330c'
    """
    found = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                found.update(block)
    return found.hexdigest()


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes `path`'s place, on failure it is removed.

    A reader never sees half a file, and a failed run leaves the old file, even if the process is killed or
    the power fails. A link stays, and the file that it points to is replaced. A pipe or device is written to.

    Raises:
        NsfaceError: the folder does not exist or cannot be written.
    """
    target = Path(path)
    if _is_special(target):
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / target.name
            with (Path(folder) / target.name).open("rb") as made, target.open("wb") as special:
                shutil.copyfileobj(made, special)
        return
    place = Path(os.path.realpath(target))
    with _beside(place, target) as temporary:
        with _full_disk_is_an_error(target):
            yield temporary
            sync(temporary)  # which is when some file systems notice that they are full
        try:
            os.replace(temporary, place)
            sync(place.parent)
        except OSError as error:
            raise _unwritable(target, error) from error


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it becomes `path`, on failure it is removed.

    Raises:
        NsfaceError: `path` exists and is not an empty folder, or it cannot be made.
    """
    target = Path(path)
    check_new_folder(target)
    with _beside(target, target, folder=True) as temporary:
        with _full_disk_is_an_error(target):
            yield temporary
        place_folder(temporary, target)


@contextmanager
def _beside(place: Path, target: Path, folder: bool = False) -> Iterator[Path]:
    """`unfinished` beside `place`; if it cannot be made, that is an NsfaceError about `target`."""
    with ExitStack() as stack:
        try:
            temporary = stack.enter_context(unfinished(place, folder=folder))
        except OSError as error:
            raise _unwritable(target, error) from error
        yield temporary


@contextmanager
def _full_disk_is_an_error(target: Path) -> Iterator[None]:
    """Turn the error of a full disk into a `DiskFull` about `target`."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise _unwritable(target, error) from error


def _unwritable(target: Path, error: OSError) -> NsfaceError:
    kind = DiskFull if error.errno in FULL else NsfaceError
    return kind(f"cannot write {shown(target)}: {reason(error)}")


def sync(path: Path) -> None:
    """Flush the file `path`, or the list of names in the folder `path`, to the disk itself.

    Raises:
        OSError: it cannot be written. A file system that cannot do this is no error.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNSYNCABLE:
            raise
    finally:
        os.close(handle)


def _sync_all(folder: Path) -> None:
    """`sync` of a folder and all below it, together where there are many: thousands would take minutes."""
    below = (Path(parent, name) for parent, _, names in os.walk(folder) for name in (*names, ""))
    few = list(islice(below, _FEW + 1))
    if (
        len(few) > _FEW and sys.platform == "linux"
    ):  # where this call waits until all files of all programs are written
        os.sync()
        return
    for path in chain(few, below):
        sync(path)


def check_new_folder(target: Path) -> None:
    """Raise an NsfaceError where `target` exists and is not an empty folder."""
    _check_name(target)
    try:
        free = not os.path.lexists(target) or (target.is_dir() and not any(target.iterdir()))
    except OSError as error:
        raise _unwritable(target, error) from error
    if not free:
        raise NsfaceError(f"{shown(target)} exists and is not an empty folder; remove it or choose another")


def make_folder(folder: Path) -> None:
    """Make `folder` with its parents where it is not there.

    Raises:
        NsfaceError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NsfaceError(f"cannot make the folder {shown(folder)}: {reason(error)}") from error


def place_folder(made: Path, target: Path) -> None:
    """Rename the folder `made` to `target`, which does not exist or is an empty folder.

    Raises:
        NsfaceError: it cannot be renamed.
    """
    try:
        _sync_all(made)
        if target.exists():
            target.rmdir()
        made.rename(target)
        sync(target.absolute().parent)
    except OSError as error:
        raise _unwritable(target, error) from error


def _check_name(target: Path) -> None:
    """Raise an NsfaceError for a name that no file can have: too long, or in a circle of links."""
    try:
        os.stat(target)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass  # these are reported elsewhere, with a remedy
    except OSError as error:
        raise _unwritable(target, error) from error


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise the NsfaceError that writing `path` would raise, before the work is done."""
    target = Path(path)
    _check_name(target)
    if os.path.isdir(target):
        raise NsfaceError(f"cannot write {shown(target)}: it is a folder")
    parent = os.path.dirname(os.path.realpath(target))
    if not _is_special(target) and not _may_write_into(parent):
        why = "permission denied" if os.path.isdir(parent) else "no such folder"
        raise NsfaceError(f"cannot write {shown(target)}: {why}: {shown(parent)}")


def _may_write_into(folder: str | Path) -> bool:
    """Whether the effective user, whose rights count when a file is opened, can make files in `folder`."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _is_special(path: Path) -> bool:
    """Whether `path` is a pipe, a device or a folder."""
    return os.path.exists(path) and not os.path.isfile(path)


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise an NsfaceError if the folder `path` cannot be made with its parents, or not be written into."""
    target = Path(path)
    nearest = next(folder for folder in [target, *target.absolute().parents] if os.path.lexists(folder))
    if not os.path.isdir(nearest) or not _may_write_into(nearest):
        why = "permission denied" if os.path.isdir(nearest) else "not a folder"
        raise NsfaceError(f"cannot make the folder {shown(target)}: {shown(nearest)}: {why}")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` in UTF-8, complete or not at all; bytes in paths that are not UTF-8 are kept."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
