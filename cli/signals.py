"""Ctrl-C and SIGTERM end a command within a second, wherever it is.

Python runs a signal's handler between two steps of the interpreter, so never during a long call into a
library, and an exception that the handler raises in a callback is lost. Therefore a thread watches too: it
ends the process that has not ended by itself `PATIENCE` seconds after the signal. (A call that keeps the
interpreter's lock, such as loading a large library, holds that thread up.) Code that installs a handler of
its own, such as a training, which finishes its step and saves, is left alone.

An interrupted process does not wait for the interpreter to free all modules after its exit handlers have
run: with torch loaded that takes a second or two, and no thread of Python's can end the process by then.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from nsface.processes import end_at_once

PATIENCE = 0.5  # seconds for an orderly end: temporary files are removed, processes ended
STATUS = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_reported = threading.Event()
_exit_early = threading.Event()
Handler = Callable[[int, "FrameType | None"], object]


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Handle a signal by an exception, so that half-written files are cleaned up on the way out."""
    raise KeyboardInterrupt


@contextmanager
def interruptible(whole_process: bool) -> Iterator[None]:
    """While entered, SIGINT and SIGTERM raise KeyboardInterrupt.

    Nothing changes in a thread other than the main one, where Python allows no handlers.

    Args:
        whole_process: the process ends after this. Then the handlers stay, and the process is ended in time
            even where the exception does not end it, or where the interpreter waits for its threads.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
    elif not whole_process:
        with handled_by(interrupt):
            yield
    else:
        receiving, sending = os.pipe()
        os.set_blocking(sending, False)
        signal.set_wakeup_fd(sending, warn_on_full_buffer=False)
        threading.Thread(target=_watch, args=(receiving,), name="signals", daemon=True).start()
        atexit.register(_end_interrupted)  # before anyone else has, so that it comes last
        # multiprocessing's tracker removes what an ended process leaves behind, and warns of it
        sys.warnoptions.append("ignore:resource_tracker:UserWarning")
        for number in _SIGNALS:
            signal.signal(number, interrupt)
        yield


@contextmanager
def handled_by(handler: Handler) -> Iterator[None]:
    """While entered, `handler` is called for SIGINT and SIGTERM."""
    previous = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def pass_over(number: int, frame: FrameType | None) -> None:
    """Handle a signal to a process that is ending: nothing is raised, which would be a traceback."""


def interruption_reported() -> None:
    """To be called before the program says that it was interrupted, so that it is not said twice."""
    _reported.set()
    raise_no_more()


def raise_no_more() -> None:
    """Let no signal raise an exception from now on: the process is about to end, and still ends in time."""
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) is interrupt:
                signal.signal(number, pass_over)


def exit_early() -> None:
    """Let this process end with `STATUS` as soon as its threads have ended and its exit handlers have run."""
    _exit_early.set()


def _end_interrupted() -> None:
    if _exit_early.is_set():
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        _abandon_files()  # those that a thread is writing
        os._exit(STATUS)


def _abandon_files() -> None:
    if writing := sys.modules.get("nsface.unfinished"):
        writing.abandon()


def _watch(receiving: int) -> None:
    """End the process `PATIENCE` seconds after a signal; the system writes its number into the pipe."""
    with open(receiving, "rb", buffering=0) as pipe:
        while number := pipe.read(1):
            if number[0] in _SIGNALS and signal.getsignal(number[0]) in (interrupt, pass_over):
                time.sleep(PATIENCE)
                _end()


def _end() -> NoReturn:
    if not _reported.is_set():
        with suppress(OSError):
            os.write(2, b"nsface: interrupted\n")  # not by sys.stderr, which the main thread may hold
    end_at_once(STATUS)


# A forked process has the pipe too, but a signal to that process is none to this one.
os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1) and None)
