"""Readers of files that may be damaged or malicious: JSON, NumPy headers, libraries that can crash.

For any input a reader returns a value or raises one DataError, and its time and memory are bounded by the
size of the file.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
import threading
import tokenize
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np

from nsface.errors import DataError, NsfaceError, shown

if TYPE_CHECKING:
    from pydantic import ValidationError

Result = TypeVar("Result")
# what NumPy raises for a header that is not one
_BAD_HEADER = (
    ValueError, TypeError, LookupError, AttributeError, EOFError, SyntaxError, ArithmeticError,
    RecursionError, MemoryError, struct.error, tokenize.TokenError,
)  # fmt: skip
# 3.0 is for fields with names beyond Latin-1, which nothing here has
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def parse_json(text: str | bytes, where: str) -> Any:
    """The value of a JSON text.

    Args:
        text: the JSON; bytes are UTF-8, with or without a byte order mark.
        where: the name of the text in messages: a path, or a path and a line.

    Raises:
        DataError: it is not UTF-8, not JSON, nested too deep, or has a number of more digits than Python
            reads.

    Example:
        >>> parse_json(b'{"step": 1}', "log.jsonl:1")
        {'step': 1}
    """
    try:
        return json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except RecursionError:
        problem = "nested too deep"
    except UnicodeDecodeError:
        problem = "not UTF-8"
    except json.JSONDecodeError as error:
        problem = f"{error.msg} at character {error.pos}"
    except ValueError:  # int() refuses more than some 4,300 digits
        problem = "a number has too many digits"
    raise DataError(f"{shown(where)}: not the JSON that nsface reads: {problem}")


def first_fault(error: ValidationError) -> tuple[str, str]:
    """The first fault that pydantic found: its dotted key ('' for the whole value), and what is wrong."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return shown(place), shown(first["msg"].removeprefix("Value error, "))


@dataclass(frozen=True)
class ArrayHeader:
    """The header of a `.npy` file.

    Attributes:
        shape, dtype: of the array.
        fortran_order: whether the first index varies fastest.
        offset: bytes before the data.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool
    offset: int


def read_array_header(file: IO[bytes], size: int, where: str) -> ArrayHeader:
    """The header at the start of a `.npy` file; `file` is left where the data begin.

    Args:
        file: open at the header.
        size: bytes from the header's start to the end of the data, so that a header that promises more than
            the file holds is found before memory is allocated.
        where: the name of the file in messages.

    Raises:
        DataError: there is no such header, the array has Python objects, or more elements than the file
            holds.
    """
    start = file.tell()
    try:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"version {version}")
        shape, fortran_order, dtype = _HEADERS[version](file)
    except _BAD_HEADER as error:
        raise DataError(f"{shown(where)}: not an array in NumPy's .npy format, or a damaged one") from error
    offset = file.tell() - start
    if dtype.hasobject:
        raise DataError(f"{shown(where)}: an array of Python objects; save numbers or text, without pickles")
    if any(length < 0 for length in shape):
        raise DataError(f"{shown(where)}: a damaged header: shape {shape}")
    count = 1
    for length in shape:
        count *= length
    promised = count * max(dtype.itemsize, 1)  # texts of length 0 are stored as of length 1
    if promised > size - offset:
        raise DataError(
            f"{shown(where)}: its header promises {promised:,} bytes {shape}, the file holds "
            f"{max(0, size - offset):,}; it is damaged or cut short"
        )
    return ArrayHeader(shape, dtype, fortran_order, offset)


def check_stored_archive(path: str | os.PathLike[str]) -> None:
    """Raise if the file is no uncompressed zip archive, as PyTorch writes it, or if its checksums are wrong.

    PyTorch itself checks no sums, and would fill the memory with what a few compressed bytes expand to.

    Raises:
        ValueError: it is compressed, promises more than it holds, or a sum is wrong.
        zipfile.BadZipFile, OSError, and what else `zipfile` raises for damaged files.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("compressed")
        if sum(entry.file_size for entry in entries) > os.stat(path).st_size:
            raise ValueError("more than the file holds")
        if archive.testzip() is not None:
            raise ValueError("a wrong sum")


# A new program, because multiprocessing would start a copy of this one, which runs a user's script again.
_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from nsface.untrusted import _answer; _answer()"
)


def isolated(function: Callable[..., Result], *arguments: Any, where: str) -> Result:
    """The value of `function(*arguments)`, computed in a separate process, whose crash is a DataError.

    It is for libraries that damaged input can crash: SciPy's reader of .mat files, and LMDB.

    Args:
        function: it can be imported by its name; it, its arguments and its result are sent by pickle.
        where: the name of the input in messages.

    Raises:
        DataError: the process was ended by a signal or an error of the library. Errors of `function` are
            raised as they are.
    """
    # our own message replaces what the library writes to standard error ("free(): invalid size")
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with suppress(BrokenPipeError):  # the process ended before it had read
            process.stdin.write(pickle.dumps(sys.path) + pickle.dumps((function, arguments)))
            process.stdin.flush()
        answer = (
            process.stdout.read()
        )  # its standard input stays open, since its end means that this process is gone
        code = process.wait()
    finally:
        process.kill()
        process.wait()
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
    if code or not answer:
        how = signal.Signals(-code).name if code < 0 else f"status {code}"
        raise DataError(f"{shown(where)}: damaged: the library that reads it ended with {how}")
    succeeded, value = pickle.loads(answer)  # of our own program
    if not succeeded:
        raise value
    return value  # type: ignore[no-any-return]


def limit_memory(additional: int) -> None:
    """Limit this process, which `isolated` has started, to `additional` bytes more than it uses now.

    Beyond the limit Python raises MemoryError. On macOS, which does not enforce such a limit, nothing
    happens.
    """
    if not os.path.exists("/proc/self/statm"):
        return
    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(
        resource.RLIMIT_AS, (now + additional if hard < 0 else min(now + additional, hard), hard)
    )


def _answer() -> None:
    """The program of `isolated`: read the function and its arguments, and write its value."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    requests = sys.stdin.buffer
    function, arguments = pickle.load(requests)

    def watch() -> None:
        requests.read()
        os._exit(1)  # the parent is gone

    threading.Thread(target=watch, daemon=True).start()
    results = os.dup(1)
    os.dup2(2, 1)  # so that nothing that a library prints is mistaken for the value
    try:
        answer = (True, function(*arguments))
    except (NsfaceError, OSError, MemoryError) as error:
        answer = (False, error)
    with open(results, "wb") as file:
        file.write(pickle.dumps(answer))
    os._exit(0)  # without waiting for the thread, which waits for the parent
