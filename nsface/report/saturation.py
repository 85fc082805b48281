"""Saturation during training: how far the label's probability has come, and what gradient is left.

A sample with p_y near 1 is saturated: softmax gives it the gradient 1 − p_y on the target logit, next to
nothing. Noisy Softmax (https://arxiv.org/abs/1708.03769) is about putting that off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from nsface.errors import DataError, NsfaceError
from nsface.files import replacing
from nsface.report.figures import STYLES
from nsface.report.literal import literal
from nsface.report.runs import Run

PANELS = {
    "probability": "mean $p_y$",
    "saturated": "share of samples with $p_y$ > 0.999",
    "gradient": "mean gradient on the target logit",
}
FORMATS = (".svg", ".png", ".pdf")

Measures = dict[str, npt.NDArray[np.float64]]


def measures(run: Run) -> Measures:
    """What the log of `run` says about saturation: by name, `step` and the keys of `PANELS`, a number a line.

    All but `step` are means over the steps since the line before, in [0, 1].

    Raises:
        DataError: no line yet, one without these numbers, or steps that do not rise.
    """
    path = run.folder / "log.jsonl"
    if not run.log:
        raise DataError(f"{path}: no line in it yet; wait until the training has logged one")
    columns: dict[str, list[float]] = {"step": [], **{name: [] for name in PANELS}}
    for number, line in enumerate(run.log, 1):
        for name, column in columns.items():
            value = line.get(name) if isinstance(line, dict) else None
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise DataError(f"{path}:{number}: no number for '{name}'; give the log of a training")
            column.append(value)
        if number > 1 and columns["step"][-1] <= columns["step"][-2]:
            raise DataError(f"{path}:{number}: step {line['step']:g} does not come after the line before")
    return {name: np.array(column, dtype=np.float64) for name, column in columns.items()}


def quarters(measured: Measures) -> list[int]:
    """Places of the last lines logged within a quarter, half, three quarters and the whole of the steps."""
    steps = measured["step"]
    places = np.searchsorted(steps, steps[-1] * np.arange(1, 5) / 4, side="right") - 1
    return sorted({int(place) for place in places if place >= 0})


def draw_saturation(path: Path, methods: Mapping[str, Sequence[Measures]]) -> None:
    """Write one figure, SVG, PNG or PDF by the ending of `path`: a panel a measure, against iterations.

    Args:
        methods: by name, the runs that share a line style: one, or several seeds of the same method.

    Raises:
        NsfaceError: another ending, or the file cannot be written.
    """
    check_format(path)
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    lines = {}
    for axes, (field, title) in zip(figure.subplots(1, 3), PANELS.items(), strict=True):
        for index, (name, repeated) in enumerate(methods.items()):
            for measured in repeated:
                (lines[name],) = axes.plot(measured["step"], measured[field], **_style(index))
        axes.set(title=title, xlabel="iterations", ylim=(0, None), xlim=(0, None))
        axes.grid(color="0.85", linewidth=0.6)
        axes.set_axisbelow(True)
    figure.legend(
        list(lines.values()),
        [literal(name) for name in lines],
        loc="outside lower center",
        ncols=min(len(lines), 4),
    )
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def check_format(path: Path) -> None:
    """Refuse a file whose ending names no format that a figure can have."""
    if path.suffix not in FORMATS:
        raise NsfaceError(f"{path}: name a figure that ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")


def _style(index: int) -> dict[str, Any]:
    """Line style and shade first, thickness once they are used up."""
    turn, place = divmod(index, len(STYLES))
    return {**STYLES[place], "linewidth": (1.5, 2.6, 0.7)[turn % 3]}
