"""Axes of plots: where a value lies, and which values are written at them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from matplotlib.ticker import MaxNLocator

_NORMAL = NormalDist()
# Decades up to 1 %, and above it what is about as far apart.
_NORMAL_TICKS = [*(10.0**-power for power in range(12, 2, -1)), 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99]
_CHARACTER = 0.02  # of the length of an axis, beside the next
MOST_DECADES = 4  # of an axis of ratios that is made for its values
MOST_POWERS = 6  # of ten that are written at one axis; more stand too close


def ratio_axis(title: str, values: Iterable[float], per_cent: bool = False) -> Axis:
    """An axis on which equal ratios are equally long, from a little below the lowest of `values` above 0, but
    at most `MOST_DECADES` below the highest."""
    positive = [value for value in values if value > 0]
    if not positive:
        return Axis(title, 0.0, 1.0, per_cent=per_cent)
    high = 1.1 * max(positive)
    low = max(0.9 * min(positive), high / 10**MOST_DECADES)
    return Axis(title, low, high, log=True, per_cent=per_cent)


@dataclass(frozen=True)
class Axis:
    """What an axis shows, and how its ticks are written.

    Attributes:
        low, high: its ends, `low` < `high`; above 0 where it is `log`, within (0, 1) where it is `normal`.
        log: equal ratios are equally long.
        normal: equal differences of the normal deviate Φ⁻¹ are equally long, as on DET plots, where scores of
            two normal distributions give a straight line.
    """

    title: str
    low: float
    high: float
    log: bool = False
    per_cent: bool = False
    normal: bool = False

    def place(self, value: float) -> float:
        """Where `value` lies, 0 at `low` and 1 at `high`; clipped."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = (math.log10(max(v, self.low)) for v in (value, low, high))
        elif self.normal:
            within = min(max(value, low), high)
            value, low, high = (_NORMAL.inv_cdf(share) for share in (within, low, high))
        return min(max((value - low) / (high - low), 0.0), 1.0)

    def holds(self, value: float) -> bool:
        """Whether `value` lies on it."""
        return self.low <= value <= self.high

    def ticks(self) -> list[float]:
        """Round values on it, few enough to be written beside each other."""
        if self.normal:
            return self._normal_ticks()
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            powers = [10.0**power for power in range(first, last + 1)]
            if len(powers) > 2:
                return powers[:: -math.ceil(len(powers) / MOST_POWERS)][::-1]
            return self._few_decades(range(first - 1, last + 1))
        return self._round_ticks()

    def _few_decades(self, powers: range) -> list[float]:
        """Round multiples of powers of ten on a logarithmic axis; as on any other where it is a short one."""
        for multiples in ((1, 2, 5), (1, 2, 3, 5, 7)):
            scaled = [10.0**power * multiple for power in powers for multiple in multiples]
            ticks = [v for v in scaled if self.low * (1 - 1e-9) <= v <= self.high * (1 + 1e-9)]
            if len(ticks) > 2:
                return ticks
        return self._round_ticks()

    def _round_ticks(self) -> list[float]:
        values = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
        return [float(v) for v in values if self.low - 1e-9 <= v <= self.high + 1e-9]

    def _normal_ticks(self) -> list[float]:
        """From the highest down, those that leave room for what is written at the one before."""
        ticks: list[float] = []
        for share in reversed(_NORMAL_TICKS):
            if self.low * (1 - 1e-9) <= share <= self.high:
                room = _CHARACTER * (len(self.text(ticks[-1])) + len(self.text(share))) / 2 if ticks else 0.0
                if not ticks or self.place(ticks[-1]) - self.place(share) >= room:
                    ticks.append(share)
        return ticks[::-1]

    def text(self, value: float) -> str:
        """How `value` is written.

        Example:
            >>> Axis("FAR", 1e-7, 1.0, log=True, per_cent=True).text(1e-7)
            '0.00001 %'
        """
        shown = 100 * value if self.per_cent else value
        text = f"{shown:,.10g}"
        if "e-" in text and abs(shown) >= 1e-7:
            text = f"{shown:.12f}".rstrip("0")
        return text + (" %" if self.per_cent else "")
