"""A limit to the memory that decoded images take, over all threads of the process.

A large image takes hundreds of megabytes when it is decoded. If every core decoded one at the same time, they
would need more memory than there is. Code that decodes images of unknown sizes on several threads therefore
does so inside `limited`, where a thread waits until there is enough memory for its image.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

LIMIT = 178_956_970  # pixels of one image, and of all that are decoded at the same time: 512 MiB
SMALL = 1 << 20  # pixels; images of up to this size need no limit, however many threads decode them

_changed = threading.Condition()
_in_use = 0


def main_memory() -> int:
    """Bytes of main memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class _ThreadState(threading.local):
    """Of each thread: whether it is inside `limited`, and how many pixels it has reserved."""

    inside = False
    pixels = 0


_thread = _ThreadState()


@contextmanager
def limited() -> Iterator[None]:
    """Limit what this thread decodes inside; its memory is released at the next image, or at the end."""
    _thread.inside = True
    try:
        yield
    finally:
        _thread.inside = False
        _release()


def reserve(pixels: int) -> None:
    """Wait until `pixels` more pixels can be decoded. Outside of `limited` there is no wait."""
    global _in_use
    if not _thread.inside:
        return
    _release()
    if pixels <= SMALL:
        return
    with _changed:
        _changed.wait_for(lambda: _in_use == 0 or _in_use + pixels <= LIMIT)
        _in_use += pixels
        _thread.pixels = pixels


def _release() -> None:
    global _in_use
    if not _thread.pixels:
        return
    with _changed:
        _in_use -= _thread.pixels
        _thread.pixels = 0
        _changed.notify_all()
