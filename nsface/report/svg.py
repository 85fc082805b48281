"""Plots as SVG to stand in an HTML page: colours come from the page's style sheet, text stays text.

Series are told apart by colour and by dashes; the classes `s0` … `s5` of the style sheet set both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from html import escape
from urllib.parse import quote

from nsface.report.axis import Axis
from nsface.report.plots import Plot, Series

WIDTH, HEIGHT = 400, 270
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 10, 42
STYLES = 6  # classes of the style sheet
# A point is a line without length and with round ends: so it has the colour of its series.
_POINT = "fill:none;stroke-width:6;stroke-linecap:round;stroke-dasharray:none"

_BAND = "stroke:none;opacity:.16"
_RING = "fill:var(--page);stroke-width:2;stroke-dasharray:none"


def render(plot: Plot) -> str:
    """The SVG element of `plot`: grid, ticks and titles of both axes, and over the grid what it shows."""
    name, label = quote(plot.name, safe="", errors="backslashreplace"), escape(plot.description, quote=True)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{name}-title">'
        f'<title id="{name}-title">{label}</title>{_grid(plot)}{"".join(_shapes(plot))}'
        f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>{_words(plot)}</svg>'
    )


def _shapes(plot: Plot) -> Iterable[str]:
    if plot.area:
        yield f'<path class="area" d="{_path(plot, plot.area)}Z"/>'
    if plot.reference:
        yield f'<path class="axis" d="{_path(plot, plot.reference)}"/>'
    for one in plot.series:
        if one.spread:
            low, high = one.band
            edges = replace(one, x=[*one.x, *reversed(one.x)], y=[*high, *reversed(low)])
            fill = f"fill:var(--s{one.number % STYLES});{_BAND}"
            yield f'<path class="band" style="{fill}" d="{_path(plot, edges)}Z"/>'
    for one in plot.series:
        style = f"s{one.number % STYLES}"
        yield f'<path class="line {style}" d="{_path(plot, one)}"/>'
        if points := plot.points(one):
            dots = "".join(f"M{_x(plot.x, x)} {_y(plot.y, y)}h0" for x, y in points)
            yield f'<path class="point {style}" style="{_POINT}" d="{dots}"/>'
    if plot.thresholds:
        left, right = (float(_x(plot.x, end)) for end in plot.thresholds)
        yield (
            f'<rect class="threshold" x="{left:.1f}" y="{TOP}" width="{max(right - left, 1.0):.1f}" '
            f'height="{HEIGHT - TOP - BOTTOM}"/>'
        )
    for x, y, number in plot.rings:
        place = f'cx="{_x(plot.x, x)}" cy="{_y(plot.y, y)}"'
        yield f'<circle class="ring s{number % STYLES}" style="{_RING}" {place} r="5"/>'
    for x, y, text in plot.notes:
        yield (
            f'<text x="{_x(plot.x, x)}" y="{float(_y(plot.y, y)) + 14:.1f}" text-anchor="middle" '
            f'style="font-size:9px">{escape(text)}</text>'
        )


def _grid(plot: Plot) -> str:
    across = "".join(f"M{_x(plot.x, tick)} {TOP}V{HEIGHT - BOTTOM}" for tick in plot.x.ticks())
    up = "".join(f"M{LEFT} {_y(plot.y, tick)}H{WIDTH - RIGHT}" for tick in plot.y.ticks())
    return f'<path class="grid" d="{across}{up}"/>'


def _words(plot: Plot) -> str:
    """What is written at the ticks and beside the axes."""
    x, y, bottom = plot.x, plot.y, HEIGHT - BOTTOM
    words = [
        f'<text x="{_x(x, tick)}" y="{bottom + 16}" text-anchor="middle">{x.text(tick)}</text>'
        for tick in x.ticks()
    ]
    words += [
        f'<text x="{LEFT - 6}" y="{float(_y(y, tick)) + 4:.1f}" text-anchor="end">{y.text(tick)}</text>'
        for tick in y.ticks()
    ]
    words += [
        f'<text class="name" x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x.title)}</text>",
        f'<text class="name" transform="translate(11 {(TOP + bottom) / 2:.1f}) rotate(-90)" '
        f'text-anchor="middle">{escape(y.title)}</text>',
    ]
    return "".join(words)


def _path(plot: Plot, series: Series) -> str:
    """The line through the points of `series`; those outside the axes lie on their edge."""
    parts: list[str] = []
    for a, b in zip(series.x, series.y, strict=True):
        across, up = _x(plot.x, a), _y(plot.y, b)
        if parts and series.step:
            parts.append(f"H{across}V{up}")
        else:
            parts.append(f"{'L' if parts else 'M'}{across} {up}")
    return "".join(parts)


def _x(axis: Axis, value: float) -> str:
    return f"{LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT):.1f}"


def _y(axis: Axis, value: float) -> str:
    return f"{HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM):.1f}"
