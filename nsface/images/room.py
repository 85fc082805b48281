"""Room for decoded pixels, which all threads of a process share.

A large picture takes hundreds of megabytes. As many workers as there are cores, each with one, would take
more than there is, so whoever decodes images of unknown sizes on several threads does so inside `shared`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PIXELS = 178_956_970  # at a time, and of one picture: 512 MiB
SMALL = 1 << 20  # pixels; of pictures up to this size no number of threads fills the memory

_changed = threading.Condition()
_in_use = 0


def main_memory() -> int:
    """Bytes of main memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class _Own(threading.local):
    """Of each thread: whether it is inside `shared`, and how much room it has taken."""

    inside = False
    pixels = 0


_own = _Own()


@contextmanager
def shared() -> Iterator[None]:
    """Whatever this thread decodes inside takes room, and gives it back when the next is decoded or here."""
    _own.inside = True
    try:
        yield
    finally:
        _own.inside = False
        _give_back()


def take(pixels: int) -> None:
    """Wait until there is room for `pixels` more pixels. Outside of `shared` nothing is waited for."""
    global _in_use
    if not _own.inside:
        return
    _give_back()
    if pixels <= SMALL:
        return
    with _changed:
        _changed.wait_for(lambda: _in_use == 0 or _in_use + pixels <= PIXELS)
        _in_use += pixels
        _own.pixels = pixels


def _give_back() -> None:
    global _in_use
    if not _own.pixels:
        return
    with _changed:
        _in_use -= _own.pixels
        _own.pixels = 0
        _changed.notify_all()
