"""Random numbers that are the same on every machine, in every process and in any order.

NumPy promises that `SeedSequence` and the raw words of `Philox` never change; it does not promise that of
the distributions built on them, and those call the platform's `log` and `exp`. So everything here is made
from raw words with integer arithmetic and exactly rounded float operations only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Item = TypeVar("Item")

_BLOCK = 96  # words fetched at a time: about what one image needs
_ROOT_3 = 1.7320508075688772


class Draws:
    """The stream of `seed` and `key` (integers, 0 or more); streams of different keys are independent.

    Attributes:
        word: gives the next raw word, 0 to 2⁶⁴ − 1.
    """

    def __init__(self, seed: int, *key: int) -> None:
        self._bits = np.random.Philox(np.random.SeedSequence(seed, spawn_key=key))
        self.word: Callable[[], int] = _words(self._bits).__next__

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * ((self.word() >> 11) * 2.0**-53)

    def bell(self) -> float:
        """Mean 0, variance 1, bell-shaped, within ±3.47: the sum of four uniforms."""
        word = self.word()
        total = (word & 0xFFFF) + (word >> 16 & 0xFFFF) + (word >> 32 & 0xFFFF) + (word >> 48)
        return (total / 65536 - 2.0) * _ROOT_3

    def bells(self, count: int) -> npt.NDArray[np.float64]:
        """What `bell` would return if called `count` times."""
        words = np.array([self.word() for _ in range(count)], dtype="<u8")
        totals = words.view("<u2").reshape(count, 4).sum(axis=1)
        bells: npt.NDArray[np.float64] = (totals / 65536 - 2.0) * _ROOT_3
        return bells

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
        words = self._bits.random_raw((count + 7) // 8).astype("<u8", copy=False)
        return words.view(np.uint8)[:count]


def _words(bits: np.random.Philox) -> Iterator[int]:
    while True:
        yield from bits.random_raw(_BLOCK).tolist()
