"""Processes that others have started: by torchrun, or by one of ours, with which they end."""

from __future__ import annotations

import os
import signal
import threading
import time

_INTERVAL = 0.2  # seconds
_SET_BY_TORCHRUN = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}


def started_by_torchrun() -> bool:
    """Whether torchrun, or a launcher that sets the same variables, has started this process and others."""
    return os.environ.keys() >= _SET_BY_TORCHRUN and os.environ["WORLD_SIZE"] != "1"


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
