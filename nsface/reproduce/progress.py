"""One line about all trainings of a table: which are going on, how much is done, how long the rest takes."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from nsface.errors import DataError, joined
from nsface.training.progress import SECONDS_BETWEEN_LINES, duration

if TYPE_CHECKING:
    from nsface.reproduce.jobs import Job

Note = Callable[[str], object]
_CLEAR = "\r\x1b[2K"  # the line of a terminal
_SECONDS = 1.0  # between two looks at the logs, on a terminal


class Progress:
    """Shows a line about `jobs`: on a terminal one that changes, elsewhere one every half minute.

    Args:
        jobs: all of them; those that have ended already count as done.
        processes: how many are trained at once.
        note: called with each line; None: nothing is shown.
    """

    def __init__(self, jobs: Sequence[Job], processes: int, note: Note | None) -> None:
        self._jobs, self._todo = jobs, [job for job in jobs if not job.ended]
        self._processes, self._note = processes, note
        self._on_terminal = note is not None and sys.stderr.isatty()
        self._began, self._before = time.monotonic(), sum(job.done for job in self._todo)
        self._over = threading.Event()
        self._line = threading.RLock()  # what is written on the terminal
        self._thread = threading.Thread(target=self._report, name="progress", daemon=True)

    def text(self) -> str:
        """`3 of 15 trainings done, softmax, seed 1: 25 min left`; without a time before it is known."""
        done = [job.done for job in self._todo]
        going_on = [job for job in self._todo if not job.ended]
        line = f"{len(self._jobs) - len(going_on)} of {len(self._jobs)} trainings done"
        now, spent = sum(done), time.monotonic() - self._began
        if going_on and now > self._before:
            left = sum(job.length for job in self._todo) - now
            line += f", {duration(left * spent / (now - self._before))} left"
        if going_on:
            line += f"; training {joined([job.title for job in going_on[: self._processes]])}"
        return line

    def has_ended(self, job: Job) -> None:
        """Say what came out of `job`."""
        self.say(f"{job.title}: {job.outcome()}" + ("" if self._on_terminal else f"; {self.text()}"))

    def say(self, line: str) -> None:
        """Say a line that stays."""
        if self._note is not None:
            with self._line:
                self._write("")
                self._note(line)

    def _report(self) -> None:
        while not self._over.wait(_SECONDS if self._on_terminal else SECONDS_BETWEEN_LINES):
            try:
                text = self.text()
            except DataError:  # a folder that is being written, or that somebody changes
                continue
            with self._line:
                if self._on_terminal:
                    self._write(text)
                elif self._note is not None:
                    self._note(text)

    def _write(self, text: str) -> None:
        """Write over the line of the terminal."""
        if self._on_terminal:
            sys.stderr.write(_CLEAR + text[: shutil.get_terminal_size().columns - 1])
            sys.stderr.flush()

    def __enter__(self) -> Progress:
        if self._note is not None and self._todo:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._line:
            self._write("")
