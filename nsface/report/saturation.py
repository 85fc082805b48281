"""Saturation during training: how far the label's probability has come, and what gradient is left.

A sample with p_y near 1 is saturated: softmax gives it the gradient 1 − p_y on the target logit, next to
nothing. Noisy Softmax (https://arxiv.org/abs/1708.03769) is about putting that off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from nsface.errors import DataError, NsfaceError
from nsface.report.figures import draw, legend, write
from nsface.report.plots import FEW, Series
from nsface.report.runs import Run
from nsface.report.training_plots import SATURATION, training_plot
from nsface.run_folder import RunFolder

FORMATS = (".svg", ".png", ".pdf")

Measures = dict[str, npt.NDArray[np.float64]]


def measures(run: Run) -> Measures:
    """What the log of `run` says about saturation: `step` and each of `SATURATION`, a number a line.

    All but `step` are means over the steps since the line before, in [0, 1].

    Raises:
        DataError: no line yet, one without these numbers, or steps that do not rise.
    """
    path = RunFolder(run.folder).log_file
    if not run.log:
        raise DataError(f"{path}: no line in it yet; wait until the training has logged one")
    columns: dict[str, list[float]] = {"step": [], **{name: [] for name in SATURATION}}
    for number, line in enumerate(run.log, 1):
        for name, column in columns.items():
            value = line.get(name) if isinstance(line, dict) else None
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise DataError(f"{path}:{number}: no number for '{name}'; give the log of a training")
            column.append(value)
        if number > 1 and columns["step"][-1] <= columns["step"][-2]:
            raise DataError(f"{path}:{number}: step {line['step']:g} does not come after the line before")
    return {name: np.array(column, dtype=np.float64) for name, column in columns.items()}


def points(measured: Measures) -> list[dict[str, float]]:
    """The measures of every logged step, as the JSON object of `nsface saturation` has them."""
    return [
        {"step": int(step), **{field: float(measured[field][place]) for field in SATURATION}}
        for place, step in enumerate(measured["step"])
    ]


def quarters(measured: Measures) -> list[int]:
    """Places of the last lines logged within a quarter, half, three quarters and the whole of the steps."""
    steps = measured["step"]
    places = np.searchsorted(steps, steps[-1] * np.arange(1, 5) / 4, side="right") - 1
    return sorted({int(place) for place in places if place >= 0})


def draw_saturation(path: Path, methods: Mapping[str, Sequence[Measures]]) -> None:
    """Write one figure, SVG, PNG or PDF by the ending of `path`: a panel a measure, against steps.

    Args:
        methods: by name, the runs that share a line style: one, or several seeds of the same method.

    Raises:
        NsfaceError: another ending, or the file cannot be written.
    """
    check_format(path)
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    drawn: dict[str, Artist] = {}
    for axes, (field, title) in zip(figure.subplots(1, 3), SATURATION.items(), strict=True):
        series = [
            Series(name, run["step"].tolist(), run[field].tolist(), number, points=len(run["step"]) < FEW)
            for number, (name, repeated) in enumerate(methods.items())
            for run in repeated
        ]
        drawn |= draw(axes, training_plot(field, title, series))
    legend(figure, drawn)
    write(figure, path)


def check_format(path: Path) -> None:
    """Refuse a file whose ending names no format that a figure can have."""
    if path.suffix not in FORMATS:
        raise NsfaceError(f"{path}: name a figure that ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
