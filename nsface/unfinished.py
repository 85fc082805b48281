"""Hidden names for files and folders that are being written, which a killed writer does not leave for ever.

What becomes `NAME` is written as `.NAME.part0`, locked while its writer lives. The next writer of that name
takes over what a killed one has left, and never what a living one writes: that is locked, and the second of
two takes `.NAME.part1`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EAGAIN, EISDIR, ELOOP, ENOENT, ENOTDIR, EPERM
from pathlib import Path

_TAKEN = {EACCES, EISDIR, ELOOP, ENOTDIR, EPERM}  # there is something that is not ours
_SLOTS = 64  # writers of one name at a time


_in_work: dict[int, Path] = {}  # the open files that have the locks of what this process is writing


def abandon() -> None:
    """Remove all that this process is writing: it is about to end without leaving `unfinished`."""
    for handle, path in list(_in_work.items()):
        if _same(path, handle):
            _remove(path)


@contextmanager
def unfinished(place: Path, *, folder: bool = False) -> Iterator[Path]:
    """Yield the path of an empty file, or `folder`, beside `place`; at the end it is removed if still there.

    Whoever is done renames it. On a file system without locks, where nobody can tell the living from the
    dead, it has a random name, and a killed writer leaves it.

    Raises:
        OSError: it cannot be made.
    """
    path, handle = _first_free(place, folder)
    _in_work[handle] = path
    try:
        yield path
    finally:
        del _in_work[handle]
        if _same(path, handle):  # not renamed, so that another may have begun one of the same name
            _remove(path)
        os.close(handle)  # and with it the lock: not before the name is free


def _first_free(place: Path, folder: bool) -> tuple[Path, int]:
    """The first slot that no living process holds, emptied, and its open file, which has the lock."""
    refused = OSError(EAGAIN, "too many processes are writing it")
    for number in range(_SLOTS):
        path = _slot(place, number)
        try:
            handle = _opened(path, folder)
        except OSError as error:
            renamed_meanwhile = folder and error.errno == ENOENT and place.parent.is_dir()
            if error.errno not in _TAKEN and not renamed_meanwhile:
                raise
            refused = error
            continue
        try:
            if _lock(handle, path):
                _empty(path, handle)
                _sweep(place, number + 1, folder)
                return path, handle
        except BlockingIOError:
            pass
        except OSError:  # the file system has no locks
            with suppress(OSError):
                path.rmdir() if folder else path.unlink()
            os.close(handle)
            return _unlocked(place, folder)
        os.close(handle)
    raise refused


def _slot(place: Path, number: int) -> Path:
    name = place.name
    if len(os.fsencode(name)) > 120:  # names have 255 bytes at most, and the suffix stands there twice
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return place.with_name(f".{name}.part{number}{place.suffix}")


def _opened(path: Path, folder: bool) -> int:
    """Open the slot, made if it is not there; a link is not followed, whoever has put it there."""
    if not folder:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with suppress(FileExistsError):
        path.mkdir()
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _lock(handle: int, path: Path) -> bool:
    """Whether the lock is ours, and of the file that still has this name: its writer may have renamed it.

    Raises:
        BlockingIOError: another process has it.
    """
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return _same(path, handle)


def _same(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(handle))
    except FileNotFoundError:
        return False


def _empty(path: Path, handle: int) -> None:
    if not path.is_dir():
        os.ftruncate(handle, 0)
        return
    for name in os.listdir(path):
        _remove(path / name)


def _sweep(place: Path, number: int, folder: bool) -> None:
    """Remove what killed writers have left in the slots from `number` on, up to the first that is free."""
    with suppress(OSError):
        while os.path.lexists(path := _slot(place, number)):
            handle = _opened(path, folder)
            try:
                if _lock(handle, path):
                    _remove(path)
            finally:
                os.close(handle)
            number += 1


def _unlocked(place: Path, folder: bool) -> tuple[Path, int]:
    prefix, suffix = _slot(place, 0).name.removesuffix(place.suffix) + ".", place.suffix
    if folder:
        path = Path(tempfile.mkdtemp(dir=place.parent, prefix=prefix, suffix=suffix))
        handle = os.open(path, os.O_RDONLY)
        share(path, 0o777)
        return path, handle
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=prefix, suffix=suffix)
    share(Path(name), 0o666)
    return Path(name), handle


def share(path: Path, mode: int) -> None:
    """Give `path` the permissions `mode` less the umask: those of temporary files would surprise others."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(mode & ~umask)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
