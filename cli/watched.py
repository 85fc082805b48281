"""nsface as a part of a program that may be killed: it is told to end when that is gone.

    python -m nsface.cli.watched HANDLE ARGUMENTS...

HANDLE is the open end of a pipe whose other end only the program that started this holds. When the pipe ends,
this process gets SIGTERM, as from anyone: a training saves its state.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from nsface.cli import main


def watch(handle: int) -> None:
    """Send this process SIGTERM as soon as nobody holds the other end of the pipe `handle`."""

    def wait() -> None:
        os.read(handle, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    os.set_inheritable(int(sys.argv[1]), False)  # what this starts in turn is its own to end
    watch(int(sys.argv[1]))
    sys.argv = ["nsface", *sys.argv[2:]]
    main()
