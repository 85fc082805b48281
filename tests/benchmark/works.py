"""What processes are given to do in `test_apart.py`; it imports nothing that takes long."""

from __future__ import annotations

import os
import signal


def doubled(number: int) -> int:
    return 2 * number


def failing(message: str) -> None:
    raise MemoryError(message)


def dying(status: int) -> None:
    if status:
        os._exit(status)
    os.kill(os.getpid(), signal.SIGKILL)
