"""One line about all trainings of a table: which are going on, how much is done, how long the rest takes."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from nsface.errors import DataError, counted
from nsface.training.progress import SECONDS_BETWEEN_LINES, duration

if TYPE_CHECKING:
    from nsface.reproduce.jobs import Job

Note = Callable[[str], object]
_CLEAR = "\r\x1b[2K"  # the line of a terminal
_SECONDS = 1.0  # between two looks at the logs, on a terminal
LONGEST = 120  # characters of a line


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

    def text(self, longest: int = LONGEST) -> str:
        """`3 of 15 trainings done, 25 min left; training softmax, seed 1`; without a time before it is known.

        Args:
            longest: of many trainings that go on only those are named that fit into so many characters.
        """
        done = {job.title: job.done for job in self._todo}
        going_on = [job for job in self._todo if not job.ended]
        line = f"{len(self._jobs) - len(going_on)} of {len(self._jobs)} trainings done"
        now, spent = sum(done.values()), time.monotonic() - self._began
        left = sum(job.length for job in self._todo) - now
        if left > 0 and now > self._before:
            line += f", {duration(left * spent / (now - self._before))} left"
        in_work = going_on[: self._processes]
        parts = [
            ("training", [job for job in in_work if done[job.title] < job.length]),
            (
                "after the last step, testing and saving",
                [job for job in in_work if done[job.title] >= job.length],
            ),
        ]
        for what, several in parts:
            if several:
                line += f"; {what} "
                line += _named(several, longest - len(line))
        return line

    def has_ended(self, job: Job) -> None:
        """Say what came out of `job`."""
        line = f"{job.title}: {job.outcome()}"
        self.say(line if self._on_terminal else f"{line}; {self.text(LONGEST - len(line) - 2)}")

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


def _named(jobs: Sequence[Job], most: int) -> str:
    """`softmax, seed 1`, or `4: softmax seeds 0-2, free seed 0` in about `most` characters."""
    if len(jobs) == 1:
        return jobs[0].title
    seeds: dict[str, list[int]] = {}
    for job in jobs:
        seeds.setdefault(job.arm, []).append(job.recipe.seed)
    names = [f"{arm} {'seed' if len(own) == 1 else 'seeds'} {_ranges(own)}" for arm, own in seeds.items()]
    line, shown = f"{len(jobs)}: {names[0]}", 1
    for name in names[1:]:
        rest = " and 10 other arms" if shown < len(names) - 1 else ""
        if len(f"{line}, {name}{rest}") > most:
            break
        line += f", {name}"
        shown += 1
    left = len(names) - shown
    return f"{line} and {counted(left, 'other arm')}" if left else line


def _ranges(numbers: Sequence[int]) -> str:
    """`[0, 1, 2, 5]` → `0-2,5`, as `--seeds` takes them."""
    ends: list[list[int]] = []
    for number in sorted(numbers):
        if ends and number == ends[-1][1] + 1:
            ends[-1][1] = number
        else:
            ends.append([number, number])
    return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in ends)
