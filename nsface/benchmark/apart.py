"""A measurement in a process of its own, which may crash, run out of memory, or be killed."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from nsface.errors import NsfaceError
from nsface.processes import end_with_parent

Given = TypeVar("Given")
Result = TypeVar("Result")


class Failed(NsfaceError):
    """A measurement that could not be made; the message says why, in one line."""


def apart(function: Callable[[Given], Result], given: Given) -> Result:
    """`function(given)` in a new process: the peak of its memory is its own.

    Both must be importable by their names, and what they hold picklable.

    Raises:
        Failed: it raised an error, or the process died.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(theirs, function, given))
    process.start()
    theirs.close()
    try:
        done, result = ours.recv()
    except EOFError:
        process.join()
        raise Failed(_death(process.exitcode or 0)) from None
    finally:
        ours.close()
        process.kill()
        process.join()
    if not done:
        raise Failed(result)
    answer: Result = result
    return answer


def one_line(error: BaseException) -> str:
    """An error in one line: its type, unless it is one of nsface, and the first line of its message."""
    message = str(error).strip().splitlines()
    first = message[0] if message else ""
    return first if isinstance(error, NsfaceError) else f"{type(error).__name__}: {first}".rstrip(": ")


def _death(code: int) -> str:
    if code >= 0:
        return f"the process ended with status {code}"
    hint = "; memory may be too small" if code == -signal.SIGKILL else ""
    return f"the process died with {signal.Signals(-code).name}{hint}"


def _call(pipe: Connection, function: Callable[[Any], Any], given: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    end_with_parent()
    try:
        answer = True, function(given)
    except Exception as error:  # whatever it is, it is what this measurement found
        answer = False, one_line(error)
    pipe.send(answer)
