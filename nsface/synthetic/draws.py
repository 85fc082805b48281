"""Random numbers that are the same on every machine, in every process and in any order.

NumPy promises that `SeedSequence` and the raw words of `Philox` never change. It does not promise that of
the distributions built on them, which call the platform's `log` and `exp`. So everything here is made from
raw words, with integer arithmetic and exactly rounded float operations only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Item = TypeVar("Item")
Words = npt.NDArray[np.uint64]
Numbers = npt.NDArray[Any]  # float64; NumPy's types lose the dtype in arithmetic with Python numbers

_BLOCK = 96  # words fetched at a time: about what one image needs
_ROOT_3 = 1.7320508075688772


class Draws:
    """The stream of `seed` and `key` (integers, 0 or more); streams of different keys are independent.

    Attributes:
        word: gives the next raw word, 0 to 2⁶⁴ − 1.
    """

    def __init__(self, seed: int, *key: int) -> None:
        self._bits = np.random.Philox(np.random.SeedSequence(seed, spawn_key=key))
        self._state: Any = self._bits.state
        self._counter = [0, 0, 0, 0]
        self.word: Callable[[], int] = self._words().__next__

    def branch(self, first: int, second: int = 0, third: int = 0) -> Draws:
        """The independent stream of these three numbers, 0 to 2⁶⁴ − 2; much faster to make than one by key.

        It does not matter in which order a stream and its branches are drawn from.
        """
        other = copy(self)
        other._counter = [0, first, second, third + 1]
        other.word = other._words().__next__
        return other

    def raw(self, count: int) -> Words:
        """The next words, at least `count` of them: Philox makes four from each value of its counter."""
        blocks = -(-count // 4)
        self._state["state"]["counter"] = np.array(self._counter, np.uint64)
        self._bits.state = self._state
        self._counter[0] += blocks
        return self._bits.random_raw(4 * blocks)

    def _words(self) -> Iterator[int]:
        while True:
            yield from self.raw(_BLOCK).tolist()

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * ((self.word() >> 11) * 2.0**-53)

    def bells(self, count: int) -> Numbers:
        """`count` numbers of mean 0 and variance 1, bell-shaped, within ±3.47: sums of four uniforms."""
        return _bells(self.raw(count)[:count])

    def below(self, limit: int) -> int:
        """An integer from 0 to limit − 1; the bias of the remainder is below limit · 2⁻⁶⁴."""
        return self.word() % limit

    def chance(self, probability: float) -> bool:
        """True with `probability`."""
        return self.uniform() < probability

    def choice(self, items: Sequence[Item]) -> Item:
        """One of `items`."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """`items` in random order."""
        keys = [self.word() for _ in items]
        return [items[i] for i in sorted(range(len(items)), key=keys.__getitem__)]

    def bytes(self, count: int) -> npt.NDArray[np.uint8]:
        """`count` independent bytes."""
        words = self.raw(-(-count // 8)).astype("<u8", copy=False)
        return words.view(np.uint8)[:count]


class ManyDraws:
    """Draws from N fresh streams side by side, as arrays of N; 96 draws can be made."""

    def __init__(self, streams: Sequence[Draws]) -> None:
        words = np.array([stream.raw(_BLOCK) for stream in streams])
        columns = zip(words.T, _uniforms(words).T, _bells(words).T, strict=True)
        self._draws: Iterator[tuple[Words, Numbers, Numbers]] = columns

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Numbers:
        """Numbers in [low, high)."""
        _, share, _ = next(self._draws)
        return low + (high - low) * share

    def bell(self) -> Numbers:
        """Numbers of mean 0 and variance 1, bell-shaped, within ±3.47: sums of four uniforms."""
        return next(self._draws)[2]

    def below(self, limit: int) -> npt.NDArray[np.intp]:
        """Integers from 0 to limit − 1; the bias of the remainder is below limit · 2⁻⁶⁴."""
        word, _, _ = next(self._draws)
        return (word % limit).astype(np.intp)

    def chance(self, probability: float) -> npt.NDArray[np.bool_]:
        """True with `probability`."""
        return self.uniform() < probability


def _uniforms(words: Words) -> Numbers:
    shares: Numbers = (words >> 11) * 2.0**-53
    return shares


def _bells(words: Words) -> Numbers:
    quarters = words.astype("<u8").view("<u2").reshape(*words.shape, 4)
    bells: Numbers = (quarters.sum(axis=-1, dtype=np.int64) / 65536 - 2.0) * _ROOT_3
    return bells
