"""Hidden names for files and folders that are being written, which a killed writer does not leave for ever.

What becomes `NAME` is written as `.NAME.part0`, locked while its writer lives. The next writer of that name
takes over what a killed one has left, and never what a living one writes: that is locked, and the second of
two takes `.NAME.part1`.

A forked process, such as one that decodes images, has its parent's open files, and with them the locks. It
lets go of them at once, since it may outlive a parent that is killed by some seconds, in which nobody else
could write.
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
from typing import IO

# the errors of opening something under our name that another program or user has made
_NOT_OURS = {EACCES, EISDIR, ELOOP, ENOTDIR, EPERM}
_SLOTS = 64  # processes that can write one name at a time

_being_written: dict[int, Path] = {}  # by the open file that holds the lock
_locked: set[int] = set()  # other open files that hold a lock


def lock(file: int | IO[bytes] | IO[str], *, required: bool = False, shared: bool = False) -> bool:
    """Lock an open file or folder for this process, until it is closed; false where another process holds it.

    On a file system without locks, such as some over a network, the answer is true. A `shared` lock leaves
    others theirs that are shared too.

    Raises:
        OSError: the file system has no locks, and one is `required`.
    """
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        if required:
            raise
    return True


@contextmanager
def not_inherited(handle: int) -> Iterator[None]:
    """While entered, processes that this one forks do not hold the lock of the open file `handle`."""
    _locked.add(handle)
    try:
        yield
    finally:
        _locked.discard(handle)


def _let_go() -> None:
    """In a process that was just forked: put something else in the place of its parent's locked files."""
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for handle in (*_being_written, *_locked):
        os.dup2(nothing, handle, inheritable=False)
    os.close(nothing)


os.register_at_fork(after_in_child=_let_go)


def abandon() -> None:
    """Remove all that this process is writing, when it is about to end without leaving `unfinished`."""
    for handle, path in list(_being_written.items()):
        if _still_named(path, handle):
            _remove(path)


@contextmanager
def unfinished(place: Path, *, folder: bool = False) -> Iterator[Path]:
    """Yield the path of an empty file, or `folder`, beside `place`; at the end it is removed if still there.

    The writer renames it when it is complete. On a file system without locks, where a living writer cannot be
    told from a killed one, it has a random name, and a killed writer leaves it there.

    Raises:
        OSError: the file or folder cannot be made.
    """
    path, handle = _first_free(place, folder)
    _being_written[handle] = path
    try:
        yield path
    finally:
        del _being_written[handle]
        if _still_named(path, handle):  # if it was renamed, `path` may be what another process has begun
            _remove(path)
        os.close(handle)  # and with it the lock: not before the name is free


def _first_free(place: Path, folder: bool) -> tuple[Path, int]:
    """The first slot that no living process holds, emptied, and its open file, which holds the lock."""
    refused = OSError(EAGAIN, "too many processes are writing it")
    for number in range(_SLOTS):
        path = _slot(place, number)
        try:
            handle = _opened(path, folder)
        except OSError as error:
            renamed_meanwhile = folder and error.errno == ENOENT and place.parent.is_dir()
            if error.errno not in _NOT_OURS and not renamed_meanwhile:
                raise
            refused = error
            continue
        try:
            if _is_free(handle, path):
                _empty(path, handle)
                _sweep(place, number + 1, folder)
                return path, handle
        except OSError:  # the file system has no locks
            with suppress(OSError):
                path.rmdir() if folder else path.unlink()
            os.close(handle)
            return _unlocked(place, folder)
        os.close(handle)
    raise refused


def _slot(place: Path, number: int) -> Path:
    """The path of slot `number` beside `place`."""
    name = place.name
    if len(os.fsencode(name)) > 120:  # names have 255 bytes at most, and the suffix occurs twice
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return place.with_name(f".{name}.part{number}{place.suffix}")


def _opened(path: Path, folder: bool) -> int:
    """Open the slot, made if it is not there; a link is not followed, because it is not ours."""
    if not folder:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with suppress(FileExistsError):
        path.mkdir()
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _is_free(handle: int, path: Path) -> bool:
    """Lock the slot; true where no other process holds it, and its writer has not renamed it meanwhile.

    Raises:
        OSError: the file system has no locks.
    """
    return lock(handle, required=True) and _still_named(path, handle)


def _still_named(path: Path, handle: int) -> bool:
    """Whether `path` is the name of the open file `handle`: a finished one has been renamed."""
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
                if _is_free(handle, path):
                    _remove(path)
            finally:
                os.close(handle)
            number += 1


def _unlocked(place: Path, folder: bool) -> tuple[Path, int]:
    """A new file or folder with a random name, and its open file, for a file system without locks."""
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
