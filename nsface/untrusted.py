"""Readers of what others wrote: JSON, NumPy headers, and parsers that damaged input can crash.

Whatever comes in, a reader returns a value or raises one DataError, within work and memory bounded by the
size of the file.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import struct
import tokenize
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import IO, Any, TypeVar

import numpy as np

from nsface.errors import DataError, NsfaceError, shown
from nsface.processes import end_with_parent

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


def isolated(function: Callable[..., Result], *arguments: Any, where: str) -> Result:
    """The value of `function(*arguments)`, computed in a process of its own whose crash is a DataError.

    For libraries that damaged input can crash (SciPy's reader of .mat, LMDB, Arrow).

    Args:
        function: importable by its name; it, its arguments and its result travel by pickle.
        where: what to call the input in messages.

    Raises:
        DataError: the process died; or whatever `function` raises.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, function, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        succeeded, answer = ours.recv()
    except EOFError:
        process.join()
        code = process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"status {code}"
        raise DataError(f"{shown(where)}: damaged: the library that reads it ended with {how}") from None
    finally:
        ours.close()
        if process.is_alive():
            process.terminate()
        process.join()
    if not succeeded:
        raise answer
    return answer  # type: ignore[no-any-return]


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


def _answer(pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    end_with_parent()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # "free(): invalid size" and its like
    try:
        answer = (True, function(*arguments))
    except (NsfaceError, OSError, MemoryError) as error:
        answer = (False, error)
    pipe.send(answer)
