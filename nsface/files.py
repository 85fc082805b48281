"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path

from nsface.errors import NsfaceError

FULL = {ENOSPC, EDQUOT, EFBIG}  # what writing to a full disk, or beyond a limit, gives


def reason(error: OSError) -> str:
    """The operating system's own words for `error`, without the path."""
    return (error.strerror or str(error)).lower()


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes `path`'s place, on failure it is removed.

    A reader never sees half a file and a failed run leaves the old one. A link stays: what it points to is
    replaced. A pipe or device is written to.

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
    try:
        handle, name = tempfile.mkstemp(
            dir=place.parent, prefix=f".{target.name[:100]}.", suffix=target.suffix
        )
    except OSError as error:
        raise NsfaceError(f"cannot write {target}: {reason(error)}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        with _room(target):
            yield temporary
        share(temporary, 0o666)
        try:
            os.replace(temporary, place)
        except OSError as error:
            raise NsfaceError(f"cannot write {target}: {reason(error)}") from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it becomes `path`, on failure it is removed.

    Raises:
        NsfaceError: `path` exists and is not an empty folder, or it cannot be made.
    """
    target = Path(path)
    check_new_folder(target)
    try:
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:100]}."))
    except OSError as error:
        raise NsfaceError(f"cannot write {target}: {reason(error)}") from error
    try:
        with _room(target):
            yield temporary
        share(temporary, 0o777)
        place_folder(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _room(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NsfaceError(f"cannot write {target}: {reason(error)}") from error


def check_new_folder(target: Path) -> None:
    """Raise an NsfaceError where `target` exists and is not an empty folder, or could not be made."""
    try:
        os.lstat(target)
    except FileNotFoundError:
        pass
    except OSError as error:  # of which `exists` says no
        raise NsfaceError(f"cannot write {target}: {reason(error)}") from error
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        raise NsfaceError(f"{target} exists and is not an empty folder; remove it or choose another")


def place_folder(made: Path, target: Path) -> None:
    """Rename the folder `made` to `target`, which does not exist or is an empty folder.

    Raises:
        NsfaceError: it cannot be renamed.
    """
    try:
        if target.exists():
            target.rmdir()
        made.rename(target)
    except OSError as error:
        raise NsfaceError(f"cannot write {target}: {reason(error)}") from error


def share(path: Path, mode: int) -> None:
    """Give `path` the permissions `mode` less the umask: those of temporary files would surprise others."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(mode & ~umask)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise the NsfaceError that writing `path` would raise, before the work is done."""
    target = Path(path)
    if target.is_dir():
        raise NsfaceError(f"cannot write {target}: it is a folder")
    parent = Path(os.path.realpath(target)).parent
    if not _is_special(target) and not os.access(parent, os.W_OK | os.X_OK):
        why = "permission denied" if parent.is_dir() else "no such folder"
        raise NsfaceError(f"cannot write {target}: {why}: {parent}")


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise an NsfaceError where the folder `path` cannot be made, with its parents, or written into."""
    target = Path(path)
    nearest = next(folder for folder in [target, *target.absolute().parents] if os.path.lexists(folder))
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        why = "permission denied" if nearest.is_dir() else "not a folder"
        raise NsfaceError(f"cannot make the folder {target}: {nearest}: {why}")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` (UTF-8; paths that are not are written as they are) to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
