"""Readers of what others wrote: JSON, NumPy headers, and parsers that damaged input can crash.

Whatever comes in, a reader returns a value or raises one DataError, within work and memory bounded by the
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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np

from nsface.errors import DataError, NsfaceError, shown

if TYPE_CHECKING:
    from pydantic import ValidationError

Result = TypeVar("Result")
# what NumPy raises of a header that is no such thing
_BAD_HEADER = (
    ValueError, TypeError, LookupError, AttributeError, EOFError, SyntaxError, ArithmeticError,
    RecursionError, MemoryError, struct.error, tokenize.TokenError,
)  # fmt: skip
# 3.0 is for fields with names beyond Latin-1, which nothing here has
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def parse_json(text: str | bytes, where: str) -> Any:
    """The value of a JSON text.

    Args:
        text: bytes are taken as UTF-8, with or without a byte order mark.
        where: what to call it in messages: a path, or a path and a line.

    Raises:
        DataError: not UTF-8, not JSON, nested too deep, or a number of more digits than Python reads.

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
    """The first thing that pydantic refuses: its dotted key, '' for the whole, and what is wrong with it."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return shown(place), shown(first["msg"].removeprefix("Value error, "))


@dataclass(frozen=True)
class ArrayHeader:
    """What the header of a `.npy` file says.

    Attributes:
        shape, dtype: of the array.
        fortran_order: the first index varies fastest.
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
            the file holds is refused before anything is allocated.
        where: what to call it in messages.

    Raises:
        DataError: no such header, an array of Python objects, or more elements than the file holds.
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
    promised = count * max(dtype.itemsize, 1)  # text of no length is written as of one
    if promised > size - offset:
        raise DataError(
            f"{shown(where)}: its header promises {promised:,} bytes {shape}, the file holds "
            f"{max(0, size - offset):,}; it is damaged or cut short"
        )
    return ArrayHeader(shape, dtype, fortran_order, offset)


# Not a copy of our process, as multiprocessing starts it: that would run a user's script again.
_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from nsface.untrusted import _answer; _answer()"
)


def isolated(function: Callable[..., Result], *arguments: Any, where: str) -> Result:
    """The value of `function(*arguments)`, computed in a process of its own whose crash is a DataError.

    For libraries that damaged input can crash: SciPy's reader of .mat, LMDB.

    Args:
        function: importable by its name; it, its arguments and its result travel by pickle.
        where: what to call the input in messages.

    Raises:
        DataError: the process died; or whatever `function` raises.
    """
    # What the library writes to standard error ("free(): invalid size") is said by our own message.
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with suppress(BrokenPipeError):  # it died before it had read
            process.stdin.write(pickle.dumps(sys.path) + pickle.dumps((function, arguments)))
            process.stdin.flush()
        answer = process.stdout.read()  # meanwhile its standard input stays open: its end would be ours
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


def limit_memory(room: int) -> None:
    """Let this process, one of its own as `isolated` starts, have at most `room` bytes more than it has now.

    Beyond that Python raises MemoryError. On macOS, which does not keep such a limit, nothing happens.
    """
    if not os.path.exists("/proc/self/statm"):
        return
    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (now + room if hard < 0 else min(now + room, hard), hard))


def _answer() -> None:
    """In the program of `isolated`: read the function and its arguments, write its value."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    requests = sys.stdin.buffer
    function, arguments = pickle.load(requests)

    def watch() -> None:
        requests.read()
        os._exit(1)  # the parent is gone

    threading.Thread(target=watch, daemon=True).start()
    results = os.dup(1)
    os.dup2(2, 1)  # so that nothing that a library prints is taken for its value
    try:
        answer = (True, function(*arguments))
    except (NsfaceError, OSError, MemoryError) as error:
        answer = (False, error)
    with open(results, "wb") as file:
        file.write(pickle.dumps(answer))
    os._exit(0)  # without waiting for the thread, which waits for the parent
