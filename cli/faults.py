"""Exceptions that no reader has turned into an NsfaceError: whether the user or nsface is at fault."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

# Errors of a path, or of the disk it is on, that no program can prevent. Those in _OF_NAMED, such as a file
# that is not there, count only where the user has named the path: otherwise nsface may be at fault.
_OF_PATHS = {
    errno.EACCES: "permission denied",
    errno.EIO: "the disk or the network behind it does not answer (input/output error)",
    errno.EISDIR: "it is a folder, not a file",
    errno.ELOOP: "its symbolic links lead in a circle",
    errno.ENAMETOOLONG: "the name is too long; most systems allow 255 bytes",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.ENXIO: "nothing is at the other end of this device or pipe",
    errno.EPERM: "not permitted",
    errno.EROFS: "the file system is read-only",
    errno.ESTALE: "the file has gone from the network's disk",
    errno.ETXTBSY: "the file is being run",
}
_OF_NAMED = {
    errno.ENOENT: "no such file or folder",
    errno.EEXIST: "it is there already",
    errno.ENOTEMPTY: "the folder is not empty",
    errno.EINVAL: "not a path, or not a kind of file, that can be used here",
    errno.ENODEV: "not a kind of file that can be used here",
}
_OF_MACHINES = {
    errno.EMFILE: "too many open files; raise the limit (ulimit -n)",
    errno.ENFILE: "too many open files on this machine",
    errno.ENOMEM: "not enough memory; give less data at a time, or close other programs",
    errno.EAGAIN: "no more processes or threads are allowed; lower --workers, or raise the limit (ulimit -u)",
}


def users_fault(error: BaseException, arguments: Sequence[str]) -> str | None:
    """One line about `error` where the user's input or machine has caused it; None otherwise.

    Args:
        arguments: the command line; its paths, and the folders they are in, are those the user has named.
    """
    if isinstance(error, MemoryError):
        return f"not enough memory{f' ({error})' if str(error) else ''}; give less data, or smaller batches"
    if isinstance(error, ValueError) and str(error).startswith(("embedded null", "lstat: embedded null")):
        return "a path has a NUL character in it; no file can be called so"
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop from"):  # Path.resolve
        return f"{str(error).removeprefix('Symlink loop from ')}: {_OF_PATHS[errno.ELOOP]}"
    if isinstance(error, UnicodeEncodeError) and (odd := [text for text in arguments if not _is_utf8(text)]):
        return f"{odd[0]}: not UTF-8, which it has to be here"
    return _of_the_system(error, arguments) if isinstance(error, OSError) else None


def _of_the_system(error: OSError, arguments: Sequence[str]) -> str | None:
    from nsface.files import FULL, reason  # here, because `nsface --help` does without

    number = error.errno or 0
    paths = [os.fsdecode(path) for path in (error.filename, error.filename2) if isinstance(path, str | bytes)]
    if number in FULL:
        return f"cannot write: {reason(error)}"
    if number in _OF_MACHINES:
        return _OF_MACHINES[number]
    if paths == ["standard output"]:
        return "cannot write to standard output: it is closed"
    if not paths:  # reading or writing a file that is open
        return f"cannot read or write: {_OF_PATHS[number]}" if number in (errno.EIO, errno.ESTALE) else None
    if any(map(_is_ours, paths)):
        return None
    named = set(_paths(arguments))
    for path in paths:
        if number in _OF_PATHS or (number in _OF_NAMED and os.path.abspath(path) in named):
            return f"{path}: {(_OF_PATHS | _OF_NAMED)[number]}"
    return None


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _is_ours(path: str) -> bool:
    """Whether `path` belongs to nsface, to Python or to another package, so that it is not the user's."""
    places = {str(Path(__file__).parent), sys.prefix, sys.base_prefix}
    return any(os.path.abspath(path).startswith(place + os.sep) for place in places)


def _paths(arguments: Iterable[str]) -> Iterator[str]:
    """What may be paths on the command line (words, what follows = or -o), and the folders they are in."""
    for argument in arguments:
        for text in (argument, argument.partition("=")[2], argument[2:] if argument[:1] == "-" else ""):
            if text:
                yield os.path.abspath(text)
                yield os.path.dirname(os.path.abspath(text))
