"""The charts of a report: plots as SVG elements, with their captions and legends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nsface.report.plots import THRESHOLDS, Plot, System, result_plots
from nsface.report.svg import render
from nsface.report.training_plots import LOSS, SATURATION, training_plots
from nsface.report.validation import BEST, validation_plots
from nsface.results import Result

if TYPE_CHECKING:
    from nsface.report.runs import Run

__all__ = ["LOSS", "SATURATION", "Chart", "chart", "result_charts", "training_charts", "validation_charts"]


@dataclass(frozen=True)
class Chart:
    """An SVG element with its caption and the (series number, name) pairs of its legend."""

    svg: str
    caption: str
    legend: list[tuple[int, str]]


def training_charts(runs: Sequence[Run], fields: Mapping[str, str]) -> list[Chart]:
    """A chart against steps for each of `fields`, by its title, that the logs have."""
    return [chart(plot) for plot in training_plots(runs, fields)]


def validation_charts(runs: Sequence[Run]) -> list[Chart]:
    """A chart against epochs for each validation."""
    return [chart(plot) for plot in validation_plots(runs)]


def result_charts(name: str, results: Mapping[int, tuple[str, Result]]) -> list[Chart]:
    """Charts of one protocol.

    Args:
        name: what no other protocol of the page is called.
        results: by the run's number, its name and its result.
    """
    systems = [
        System(number, run, result, curves)
        for number, (run, result) in results.items()
        if (curves := getattr(result, "curves", None))
    ]
    return [chart(replace(plot, name=f"{name}-{plot.name}")) for plot in result_plots(systems)]


def chart(plot: Plot) -> Chart:
    """The chart of one plot."""
    names = [(one.number, one.label) for one in plot.series]
    return Chart(render(plot), caption_of(plot), names if len(names) > 1 else [])


def caption_of(plot: Plot) -> str:
    """The title, and what the shapes mean that the legend does not have."""
    parts = []
    if plot.area:
        parts = [f"line: {plot.series[0].label}", f"area: {plot.area.label}"]
    if plot.thresholds:
        parts.append(f"bar: {THRESHOLDS}")
    if any(one.spread for one in plot.series):
        parts.append(f"band: {plot.band}")
    if plot.rings:
        parts.append(f"ring: {BEST}")
    if plot.reference:
        parts.append(f"thin line: {plot.reference.label}")
    return f"{plot.title}; {', '.join(parts)}" if parts else plot.title
