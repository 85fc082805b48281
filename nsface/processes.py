"""A process that another one of ours has started ends when that one does."""

from __future__ import annotations

import os
import signal
import threading
import time

_INTERVAL = 0.2  # seconds


def end_with_parent(parent: int | None = None) -> None:
    """Have this process get SIGTERM as soon as its parent has ended, however that ended.

    A worker that waits for a task, or a rank that waits for the others, would otherwise wait for ever.

    Args:
        parent: the number of the process that started this one, where that may have ended already; without
            it, the present parent.
    """
    expected = os.getppid() if parent is None else parent

    def watch() -> None:
        while os.getppid() == expected:
            time.sleep(_INTERVAL)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
