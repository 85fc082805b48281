"""The part of a gallery that this process searches, where several processes search it together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from nsface.metrics.similarity import Floats, Rows

Numbers = TypeVar("Numbers")


def alone(numbers: Numbers) -> Numbers:
    """The numbers of the only process, combined with nobody's.

    Example:
        >>> alone(3)
        3
    """
    return numbers


@dataclass(frozen=True)
class Share:
    """The place of this process among those that search a gallery together; by default it is the only one.

    Each searches some of the blocks, and what they have found is combined exactly: counts are added, and of
    scores the highest is taken. Both functions are called by all processes in the same order.

    Attributes:
        rank: the number of this process, from 0.
        count: the number of processes.
        summed: the sums over all processes of the integers that each gives.
        highest: the highest over all processes of the numbers that each gives.
    """

    rank: int = 0
    count: int = 1
    summed: Callable[[Rows], Rows] = alone
    highest: Callable[[Floats], Floats] = alone

    def has(self, block: int) -> bool:
        """Whether this process searches the block of this number."""
        return block % self.count == self.rank


_ALONE = Share()
_current: ContextVar[Share] = ContextVar("share")


def current() -> Share:
    """The share of this process in the searches that are now made."""
    return _current.get(_ALONE)


@contextmanager
def shared(share: Share) -> Iterator[None]:
    """While entered, the searches of `nsface.metrics.search` are shared with other processes.

    Example:
        >>> with shared(Share(rank=1, count=2)):
        ...     current().has(0), current().has(1)
        (False, True)
    """
    before = _current.set(share)
    try:
        yield
    finally:
        _current.reset(before)
