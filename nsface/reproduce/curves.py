"""Curves over all arms: errors, losses and saturation against steps, means over seeds with a band."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from nsface.report.axis import Axis, ratio_axis
from nsface.report.plots import FEW, Plot, Series
from nsface.reproduce.arms import ARMS
from nsface.reproduce.outcomes import Line, Outcome, Reproduction

BAND = "± the standard deviation over seeds"
MOST_LINES = 6  # of a figure: more are not told apart
Section = Literal["errors", "saturation"]


@dataclass(frozen=True)
class Curve:
    """A quantity that trainings or tests log.

    Attributes:
        name: of its figure.
        title: of its figure.
        key: of the lines of the log, or of the tests.
        of: whether the log or the tests have it.
        section: where it is shown.
        scale: in equal ratios (`log`) unless it is negative somewhere, from 0 to 1 (`whole`), or from 0 to
            the highest (`linear`).
        share: whether it is written in per cent.
        complement: the quantity is 1 less what the lines have.
    """

    name: str
    title: str
    key: str
    of: Literal["log", "tests"]
    section: Section
    scale: Literal["log", "whole", "linear"] = "linear"
    share: bool = True
    complement: bool = False


CURVES = (
    Curve("test-error", "test error", "error", "tests", "errors", "log"),
    Curve("training-error", "training error", "accuracy", "log", "errors", "log", complement=True),
    Curve(
        "training-loss", "training loss, with the noise or margin of each arm", "loss", "log", "errors",
        "log", share=False,
    ),
    Curve(
        "test-loss", "test loss, cross entropy without noise", "loss", "tests", "errors", "log", share=False,
    ),
    Curve("training-saturated", "share of training images with p > 0.999", "saturated", "log", "saturation"),
    Curve("test-saturated", "share of test images with p > 0.999", "saturated", "tests", "saturation"),
    Curve("training-probability", "mean p of training images", "probability", "log", "saturation", "whole"),
    Curve("test-probability", "mean p of test images", "probability", "tests", "saturation", "whole"),
    Curve(
        "training-gradient", "mean gradient on the target logit, training", "gradient", "log", "saturation",
        "log", share=False,
    ),
)  # fmt: skip


def plots(found: Reproduction, section: Section) -> list[Plot]:
    """The figures of a section: one for each curve, or several where there are too many arms for one."""
    groups = _groups(found)
    made = []
    for curve in CURVES:
        if curve.section == section:
            several = [plot for group in groups if (plot := _plot(found, curve, group))]
            made += [_numbered(plot, number, len(several)) for number, plot in enumerate(several, 1)]
    return made


def _groups(found: Reproduction) -> list[list[str]]:
    """The arms of each figure: a baseline, and those that are tested against it, as many as fit."""
    against: dict[str, list[str]] = {}
    for arm in found.arms:
        if ARMS[arm].against != arm:
            against.setdefault(ARMS[arm].against, []).append(arm)
    groups = []
    for baseline, arms in against.items():
        figures = math.ceil(len(arms) / (MOST_LINES - 1))
        size = math.ceil(len(arms) / figures)
        shown = [baseline] if baseline in found.arms else []
        groups += [[*shown, *arms[start : start + size]] for start in range(0, len(arms), size)]
    return groups or [found.arms]


def _numbered(plot: Plot, number: int, count: int) -> Plot:
    if count == 1:
        return plot
    return replace(plot, name=f"{plot.name}-{number}", title=f"{plot.title}, {number} of {count}")


def _plot(found: Reproduction, curve: Curve, arms: Sequence[str]) -> Plot | None:
    """The curve of each of `arms`; None where none has it."""
    series = []
    for number, arm in enumerate(arms):
        if line := _mean(ARMS[arm].title, [one for one in found.of(arm) if one.measures], curve, number):
            series.append(line)
    if not series:
        return None
    ends = [f"{one.label} ends at {_text(one.y[-1], curve)}" for one in series]
    return Plot(
        curve.name,
        curve.title,
        f"{curve.title} against steps: {'; '.join(ends)}",
        Axis("step", 0.0, max(1.0, *(one.x[-1] for one in series))),
        _axis(curve, series),
        series,
        band=BAND,
    )


def _mean(label: str, outcomes: Sequence[Outcome], curve: Curve, number: int) -> Series | None:
    """The mean over seeds at every step that all of `outcomes` have logged; None where there is none."""
    by_step = [dict(_points(one.log if curve.of == "log" else one.tests, curve)) for one in outcomes]
    steps = sorted(set(by_step[0]).intersection(*by_step)) if by_step else []
    if not steps:
        return None
    values = np.array([[one[step] for step in steps] for one in by_step])
    spread = values.std(axis=0, ddof=1).tolist() if len(values) > 1 else ()
    few = len(steps) < FEW
    return Series(label, steps, values.mean(axis=0).tolist(), number, points=few, spread=spread)


def _points(lines: Sequence[Line], curve: Curve) -> Iterator[tuple[float, float]]:
    for line in lines:
        if curve.key in line:
            value = float(line[curve.key])
            yield float(line["step"]), 1.0 - value if curve.complement else value


def _axis(curve: Curve, series: Sequence[Series]) -> Axis:
    """From 0, from 0 to 1, or from a little below the lowest mean, in equal ratios."""
    means = [y for one in series for y in one.y]
    edges = [edge for one in series for band in one.band for edge in band] or means
    if curve.scale == "whole":
        return Axis("", 0.0, 1.0, per_cent=True)
    if curve.scale == "log" and min(means) >= 0:  # the loss of gradient decay falls below 0
        return ratio_axis("", means, per_cent=curve.share)
    low, high = min(0.0, *edges), max(*edges, *means)
    if curve.share:
        low, high = 0.0, min(1.0, high)
    return Axis("", low, high + 0.05 * (high - low) if high > low else low + 1.0, per_cent=curve.share)


def _text(value: float, curve: Curve) -> str:
    return f"{100 * value:.2f} %" if curve.share else f"{value:.3g}"
