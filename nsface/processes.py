"""Processes that others have started: by torchrun, or by one of ours, with which they end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

_INTERVAL = 0.2  # seconds
_SET_BY_TORCHRUN = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}


def started_by_torchrun() -> bool:
    """Whether torchrun, or a launcher that sets the same variables, has started this process and others."""
    return os.environ.keys() >= _SET_BY_TORCHRUN and os.environ["WORLD_SIZE"] != "1"


def restarted_by_torchrun() -> bool:
    """Whether torchrun has started this process in place of one that failed (`--max-restarts`)."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"


def end_with_parent(parent: int | None = None) -> Callable[[], None]:
    """Have this process get SIGTERM as soon as its parent has ended, however that ended.

    A worker that waits for a task, or a rank that waits for the others, would otherwise wait for ever.

    Args:
        parent: the number of the process that started this one, where that may have ended already; without
            it, the present parent.

    Returns:
        A function after which this process may outlive its parent.
    """
    expected = os.getppid() if parent is None else parent
    over = threading.Event()

    def watch() -> None:
        while os.getppid() == expected:
            if over.wait(_INTERVAL):
                return
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=watch, name="parent", daemon=True)
    thread.start()

    def stop() -> None:
        over.set()
        thread.join()

    return stop


def end_at_once(status: int) -> NoReturn:
    """End this process and its children, whatever they are doing; what it was writing is removed."""
    with suppress(Exception):
        if processes := sys.modules.get("multiprocessing"):
            for child in processes.active_children():
                child.kill()
        if writing := sys.modules.get("nsface.unfinished"):
            writing.abandon()
    os._exit(status)
