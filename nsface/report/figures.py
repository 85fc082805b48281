"""Plots for print, drawn by Matplotlib: PNG and SVG, readable in grey.

Systems differ by line style and shade, not by hue alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtr, ndtri

from nsface.files import make_folder, replacing
from nsface.report.axis import Axis
from nsface.report.literal import literal
from nsface.report.plots import THRESHOLDS, Plot, Series, System, result_plots
from nsface.results import Result
from nsface.results.curves import Curves

POINTS = 2000  # of a curve; more are not seen, and an ROC of IJB has millions

# Okabe–Ito colours in order of darkness, each with its own line style.
STYLES: list[dict[str, Any]] = [
    {"color": "#000000", "linestyle": "-"},
    {"color": "#0072B2", "linestyle": "--"},
    {"color": "#D55E00", "linestyle": "-."},
    {"color": "#009E73", "linestyle": ":"},
    {"color": "#E69F00", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
]
_WIDTHS = (1.5, 0.7, 2.6)  # of lines: the styles over again, once they are used up
_TITLE, _ENTRY = 54, 60  # characters that fit beside each other in a title, in the legend
_CHARACTERS = 15.5  # of the legend that fit into an inch
_ROW = 0.19  # inches, a row of the legend


def draw_figures(folder: Path, results: Mapping[str, Result], curves: Mapping[str, Curves]) -> None:
    """Write the figures of systems on one protocol into `folder`, whichever their curves give.

    `roc`, `det`, `cmc`, `dir-far`, `det-open-set` and `reliability` hold all systems, or all trials. Each
    system has its own `scores`, called `scores-NAME` where there are several.

    Args:
        results: by the name of the system.
        curves: by the name of the system, or of each trial of the only one.

    Raises:
        NsfaceError: the folder cannot be made or written.
    """
    first = next(iter(results.values()))
    systems = [
        System(number, name, results.get(name, first), found)
        for number, (name, found) in enumerate(curves.items())
    ]
    for plot in result_plots(systems):
        save(folder, plot)


def save(folder: Path, plot: Plot) -> None:
    """Write `plot` under its name into `folder`, as PNG and SVG, with the legend below.

    Raises:
        NsfaceError: the folder cannot be made or written.
    """
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    rows = legend(figure, draw(figure.add_subplot(), plot))
    figure.set_figheight(4.0 + _ROW * rows)
    make_folder(folder)
    for suffix in ("png", "svg"):
        write(figure, folder / f"{plot.name}.{suffix}")


def draw(axes: Axes, plot: Plot) -> dict[str, Artist]:
    """Draw `plot`, a single line in black, and return what stands for each label in the legend."""
    drawn: dict[str, Artist] = {}
    several = len(plot.series) > 1
    _axes(axes, plot)
    if plot.area:
        edges, heights = plot.area.x, plot.area.y
        drawn[plot.area.label] = axes.fill_between(edges, heights, step="post", color="0.75", linewidth=0)
    if plot.reference:
        drawn |= _line(axes, plot.reference, {"color": "0.6", "linewidth": 0.8})
    for one in plot.series:
        how = style(one.number if several else 0)
        drawn |= _line(axes, one, how)
        if one.spread:
            axes.fill_between(one.x, *one.band, color=how["color"], alpha=0.16, linewidth=0)
        if points := plot.points(one):
            axes.plot(*zip(*points, strict=True), "o", color=how["color"], markersize=4, clip_on=False)
    for x, y, number in plot.rings:
        color = style(number if several else 0)["color"]
        axes.plot([x], [y], "o", color=color, markerfacecolor="white", markersize=8, clip_on=False)
    if plot.thresholds:
        drawn[THRESHOLDS] = axes.axvspan(*plot.thresholds, fc="#D55E0060", ec="#D55E00", linewidth=0.8)
    for x, y, text in plot.notes:
        axes.annotate(text, (x, y), (0, -11), textcoords="offset points", fontsize=7, ha="center")
    return drawn


def legend(figure: Figure, drawn: Mapping[str, Artist]) -> int:
    """Write all labels below the axes, where they cover no line; return how many lines of text they take."""
    beside = figure.get_figwidth() * _CHARACTERS // (max(map(len, drawn)) + 9)
    rows = math.ceil(len(drawn) / max(1, min(4, beside)))
    columns = math.ceil(len(drawn) / rows)
    labels = [_lines(label, _ENTRY) for label in drawn]
    figure.legend(
        [*drawn.values()], labels, loc="outside lower center", fontsize=9, ncols=columns, frameon=False
    )
    return sum(label.count("\n") + 1 for label in labels[:rows])


def write(figure: Figure, path: Path) -> None:
    """Write the figure whole, in the format of its ending, without the date."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def style(number: int) -> dict[str, Any]:
    """Line style and shade first, thickness once they are used up."""
    turn, place = divmod(number, len(STYLES))
    return {**STYLES[place], "linewidth": _WIDTHS[turn % len(_WIDTHS)]}


def _line(axes: Axes, series: Series, how: dict[str, Any]) -> dict[str, Artist]:
    steps = "steps-post" if series.step else "default"
    (line,) = axes.plot(series.x, series.y, drawstyle=steps, **how)
    return {series.label: line}


def _axes(axes: Axes, plot: Plot) -> None:
    axes.set_title(_lines(plot.title, _TITLE), fontsize=11)
    for title, axis, name in ((axes.set_xlabel, plot.x, "x"), (axes.set_ylabel, plot.y, "y")):
        title(literal(axis.title))
        linear = not (axis.log or axis.normal)
        margin = 0.01 * (axis.high - axis.low) if name == "y" and linear else 0.0
        limits = (axis.low, axis.high + margin)  # a curve along the top is seen whole
        if axis.normal:
            {"x": axes.set_xscale, "y": axes.set_yscale}[name]("function", functions=_deviates(axis))
        else:
            axes.set(**{f"{name}scale": "log" if axis.log else "linear"})
        axes.set(**{f"{name}lim": limits})
        ticks = axis.ticks()
        axes.set(**{f"{name}ticks": ticks, f"{name}ticklabels": [axis.text(tick) for tick in ticks]})
    axes.minorticks_off()
    axes.grid(which="major", color="0.85", linewidth=0.6)
    axes.set_axisbelow(True)


def _deviates(axis: Axis) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The normal deviates of shares, those beyond the axis at its ends, and the shares of normal deviates."""
    return lambda shares: ndtri(np.clip(shares, axis.low, axis.high)), ndtr


def _lines(text: str, width: int) -> str:
    """`text` in lines of at most `width` characters, for Matplotlib to draw as it is."""
    parts = [text[start : start + width] for start in range(0, len(text), width)]
    return "\n".join(map(literal, parts))
