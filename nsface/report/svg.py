"""Charts as SVG to stand in an HTML page: colours come from the page's style sheet, text stays text.

Series are told apart by colour and by dashes; the classes `s0` … `s5` of the style sheet set both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 400, 270
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 10, 42
SERIES = 6  # classes of the style sheet


@dataclass(frozen=True)
class Series:
    """Points (x, y) of one line; a `step` holds each y until the next x."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    number: int
    step: bool = False


@dataclass(frozen=True)
class Axis:
    """What an axis shows: `low` < `high`, and how ticks are written."""

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

    def ticks(self) -> list[float]:
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            powers = [10.0**power for power in range(first, last + 1)]
            if len(powers) > 2:
                return powers
            return [p * m for p in powers for m in (1, 2, 5) if p * m <= self.high * (1 + 1e-9)]
        values = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
        return [float(v) for v in values if self.low - 1e-9 <= v <= self.high + 1e-9]

    def text(self, value: float) -> str:
        shown = 100 * value if self.per_cent else value
        return f"{shown:,.10g}" + (" %" if self.per_cent else "")


def line_chart(name: str, description: str, x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """A chart of lines. `name` identifies it in the page, `description` tells what it shows without eyes."""
    lines = [f'<path class="line s{one.number % SERIES}" d="{_path(one, x, y)}"/>' for one in series]
    return _frame(name, description, x, y, lines)


def histogram(
    name: str,
    description: str,
    x: Axis,
    counts: tuple[Sequence[int], Sequence[int]],
    thresholds: Sequence[float],
    number: int,
) -> str:
    """Two histograms over the whole of `x`: the first as an outline of series `number`, the second filled.

    The range of `thresholds` is shaded.
    """
    y = Axis("pairs", 0.0, 1.05 * max(1, *counts[0], *counts[1]))
    outline, filled = (_path(_steps(x, kind), x, y) for kind in counts)
    shapes = [f'<path class="area" d="{filled}Z"/>', f'<path class="line s{number % SERIES}" d="{outline}"/>']
    if thresholds:
        left, right = (_x(x.place(end)) for end in (min(thresholds), max(thresholds)))
        shapes.append(
            f'<rect class="threshold" x="{left:.1f}" y="{TOP}" width="{max(right - left, 1.0):.1f}" '
            f'height="{HEIGHT - TOP - BOTTOM}"/>'
        )
    return _frame(name, description, x, y, shapes)


def _steps(x: Axis, counts: Sequence[int]) -> Series:
    """Bars over the whole of `x` as one line, from the axis and back to it."""
    edges = np.repeat(np.linspace(x.low, x.high, len(counts) + 1), 2).tolist()
    heights = [0.0, *np.repeat(np.asarray(counts, dtype=float), 2).tolist(), 0.0]
    return Series("", edges, heights, 0)


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _path(series: Series, x: Axis, y: Axis) -> str:
    """Points as an SVG path; those outside the axes lie on their edge. A single one becomes a dash."""
    parts: list[str] = []
    for a, b in zip(series.x, series.y, strict=True):
        across, up = f"{_x(x.place(a)):.1f}", f"{_y(y.place(b)):.1f}"
        if parts and series.step:
            parts.append(f"H{across}V{up}")
        else:
            parts.append(f"{'L' if parts else 'M'}{across} {up}")
    return "".join(parts) + ("h-6" if len(parts) == 1 else "")


def _frame(name: str, description: str, x: Axis, y: Axis, shapes: Sequence[str]) -> str:
    """The SVG element with grid, ticks and titles of both axes, and `shapes` over the grid."""
    bottom, right, middle = HEIGHT - BOTTOM, WIDTH - RIGHT, (TOP + HEIGHT - BOTTOM) / 2
    grid, words = [], []
    for tick in x.ticks():
        at = _x(x.place(tick))
        grid.append(f"M{at:.1f} {TOP}V{bottom}")
        words.append(f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{x.text(tick)}</text>')
    for tick in y.ticks():
        at = _y(y.place(tick))
        grid.append(f"M{LEFT} {at:.1f}H{right}")
        words.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{y.text(tick)}</text>')
    label = escape(description, quote=True)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{name}-title">'
        f'<title id="{name}-title">{label}</title>'
        f'<path class="grid" d="{"".join(grid)}"/>{"".join(shapes)}'
        f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>{"".join(words)}'
        f'<text class="name" x="{(LEFT + right) / 2:.1f}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x.title)}</text>"
        f'<text class="name" transform="translate(11 {middle:.1f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y.title)}</text></svg>"
    )
