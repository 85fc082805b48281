"""Processes that we start end when we do."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


def end_with_parent() -> None:
    """In a process of `multiprocessing`: end when the one that started it does, however that ends.

    A worker that waits for a task would otherwise wait for ever, since it holds both ends of its queue.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
