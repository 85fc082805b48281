"""Axes of plots: where a value lies, and which values are written at them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

MOST_POWERS = 6  # of ten that are written at one axis; more stand too close


@dataclass(frozen=True)
class Axis:
    """What an axis shows: `low` < `high`, above 0 where it is logarithmic, and how its ticks are written."""

    title: str
    low: float
    high: float
    log: bool = False
    per_cent: bool = False

    def place(self, value: float) -> float:
        """Where `value` lies, 0 at `low` and 1 at `high`; clipped."""
        if self.log:
            value, low, high = (math.log10(max(v, self.low)) for v in (value, self.low, self.high))
        else:
            low, high = self.low, self.high
        return min(max((value - low) / (high - low), 0.0), 1.0)

    def holds(self, value: float) -> bool:
        """Whether `value` lies on it."""
        return self.low <= value <= self.high

    def ticks(self) -> list[float]:
        """Round values on it, few enough to be written beside each other."""
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            powers = [10.0**power for power in range(first, last + 1)]
            if len(powers) > 2:
                return powers[:: -math.ceil(len(powers) / MOST_POWERS)][::-1]
            return [p * m for p in powers for m in (1, 2, 5) if p * m <= self.high * (1 + 1e-9)]
        values = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
        return [float(v) for v in values if self.low - 1e-9 <= v <= self.high + 1e-9]

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
