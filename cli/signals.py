"""Ctrl-C and SIGTERM end a command within a second, wherever it is.

Python's own handler runs between two steps of the interpreter: not during a long call into a library, and an
exception that it raises in a callback is lost. So a thread watches: where the process has not ended
`PATIENCE` seconds after the signal, it ends it. A call that keeps the interpreter's lock (loading a large
library, sorting millions of names) holds that thread up too. Who has put another handler in place (a
training, which finishes its step and saves) is left alone.

Once all is put away, an interrupted process does not wait for the interpreter to take itself apart: with
torch loaded that takes up to a second or two, and by then no thread of Python's can end it.
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

PATIENCE = 0.5  # seconds for an orderly end: temporary files are removed, processes ended
STATUS = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_said = threading.Event()
_hastened = threading.Event()
Handler = Callable[[int, "FrameType | None"], object]


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """The handler of both signals: what is half-written is cleaned up on the way out."""
    raise KeyboardInterrupt


@contextmanager
def interruptible(whole_process: bool) -> Iterator[None]:
    """While entered, SIGINT and SIGTERM raise KeyboardInterrupt, or end the process where that fails.

    In a thread other than the main one, where Python allows no handlers, nothing changes.

    Args:
        whole_process: nothing follows, and nothing is put back: after a signal the process must end in time
            even when this has been left, for the interpreter waits for its threads.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    receiving, sending = os.pipe()
    os.set_blocking(sending, False)
    woken = signal.set_wakeup_fd(sending, warn_on_full_buffer=False)
    watch = _Watch(receiving, whole_process)
    watch.start()
    if whole_process:
        atexit.register(_skip_the_rest)  # before anyone else has, so that it comes last
        # what a process that is ended leaves, multiprocessing's own tracker removes, and complains
        sys.warnoptions.append("ignore:resource_tracker:UserWarning")
        for number in _SIGNALS:
            signal.signal(number, interrupt)
        try:
            yield
        finally:
            watch.left.set()
        return
    try:
        with taken_by(interrupt):
            yield
    finally:
        watch.left.set()
        signal.set_wakeup_fd(woken)
        os.close(sending)


def saying() -> None:
    """Called before the program says that it was interrupted, which need not be said twice."""
    _said.set()


def hasten() -> None:
    """Let this process end by `STATUS` as soon as its threads have ended and its exit handlers have run."""
    _hastened.set()


def _skip_the_rest() -> None:
    if _hastened.is_set():
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(STATUS)


@contextmanager
def taken_by(handler: Handler) -> Iterator[None]:
    """While entered, `handler` has SIGINT and SIGTERM."""
    previous = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


class _Watch(threading.Thread):
    """Wait for a signal's number in the pipe, which the system's own handler writes there at once."""

    def __init__(self, receiving: int, whole_process: bool) -> None:
        super().__init__(name="signals", daemon=True)
        self.left = threading.Event()
        self._receiving, self._whole_process = receiving, whole_process

    def run(self) -> None:
        with open(self._receiving, "rb", buffering=0) as pipe:
            while number := pipe.read(1):
                if number[0] in _SIGNALS and signal.getsignal(number[0]) is interrupt:
                    self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE
        if self.left.wait(PATIENCE):
            if not self._whole_process:
                return
            time.sleep(max(0.0, end - time.monotonic()))
        _end()


def _end() -> NoReturn:
    with suppress(Exception):
        if processes := sys.modules.get("multiprocessing"):
            for child in processes.active_children():
                child.kill()
        if writing := sys.modules.get("nsface.unfinished"):
            writing.abandon()
        if not _said.is_set():
            os.write(2, b"nsface: interrupted\n")  # past sys.stderr, which the main thread may hold
    os._exit(STATUS)


# A forked process has the pipe too, and its signals are not ours.
os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1) and None)
