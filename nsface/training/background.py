"""One piece of work at a time beside the training, such as the writing of a state."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """Does work in a thread while its owner goes on. What the work raises is raised to the owner later.

    The thread does not hold the interpreter up at its end: an owner that needs the work done calls `wait`.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def busy(self) -> bool:
        """Whether work is going on."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], object]) -> None:
        """Begin `work`, after `wait` for the work before it."""
        self.wait()
        self._thread = threading.Thread(target=self._do, args=(work,), name="background", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what finished work has raised, once. This waits for nothing."""
        if not self.busy:
            self.wait()

    def wait(self) -> None:
        """Return when no work is going on; raise what the work has raised, once."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _do(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            self._error = error
