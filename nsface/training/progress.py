"""The progress of a long task: a bar on a terminal, elsewhere a plain line every half minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 30.0  # where standard error is no terminal


class Progress:
    """Shows how much of a task is done, with the speed, and a text about its state.

    Args:
        what: the name of the task, such as "training".
        unit: what is counted, such as "steps".
        total: how many there are.
        write: a function that takes a line; None: nothing is shown, not even a bar.
        done: how many are done already.
    """

    def __init__(
        self, what: str, unit: str, total: int, write: Callable[[str], object] | None, done: int = 0
    ) -> None:
        self.what, self.unit, self.total, self.done, self.state = what, unit, total, done, ""
        self._write = None if sys.stderr.isatty() else write
        on_terminal = write is not None and sys.stderr.isatty()
        self._bar = tqdm(total=total, initial=done, desc=what, unit=f" {unit}", disable=not on_terminal)
        self._begun, self._first = time.monotonic(), done
        self._due = self._begun + SECONDS_BETWEEN_LINES

    def update(self, count: int = 1, state: str | None = None) -> None:
        """Count `count` more as done; `state`, if given, is the text to show from now on."""
        self.done += count
        self._bar.update(count)
        if state is not None:
            self.state = state
            self._bar.set_postfix_str(state)
        if self._write is not None and (now := time.monotonic()) >= self._due:
            self._write(self._line(now))
            self._due = now + SECONDS_BETWEEN_LINES

    def _line(self, now: float) -> str:
        share = 100 * self.done / max(self.total, 1)
        line = f"{self.what}: {self.done:,} of {self.total:,} {self.unit} ({share:.0f} %)"
        if self.done > self._first:
            left = (self.total - self.done) * (now - self._begun) / (self.done - self._first)
            line += f", {duration(left)} left"
        return f"{line}, {self.state}" if self.state else line

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


def duration(seconds: float) -> str:
    """A time in words: `45 s`, `20 min`, `2 h 5 min`."""
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours and seconds < 90:
        return f"{seconds:.0f} s"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
