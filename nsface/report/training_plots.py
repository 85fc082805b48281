"""What the figures of trainings show: a plot against steps for each quantity that a run logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nsface.report.axis import Axis
from nsface.report.plots import FEW, Plot, Series

if TYPE_CHECKING:
    from nsface.report.runs import Run

LOSS = {
    "loss": "loss, mean since the previous log line",
    "accuracy": "training accuracy",
    "learning_rate": "learning rate",
}
# What Noisy Softmax is about: samples that saturate teach the network no more.
SATURATION = {
    "probability": "mean probability of the label, without noise",
    "saturated": "share of samples with probability > 0.999",
    "gradient": "mean gradient on the target logit",
}
_WHOLE = {"accuracy", "probability"}  # drawn from 0 to 100 %


def training_plots(runs: Sequence[Run], fields: Mapping[str, str]) -> list[Plot]:
    """A plot against steps for each of `fields`, by its title, that the logs have."""
    plots = []
    for field, title in fields.items():
        lines = []
        for number, run in enumerate(runs):
            logged = [line for line in run.log if field in line]
            if logged:
                steps, values = [line["step"] for line in logged], [line[field] for line in logged]
                lines.append(Series(run.name, steps, values, number, points=len(logged) < FEW))
        if lines:
            plots.append(training_plot(field, title, lines))
    return plots


def training_plot(field: str, title: str, series: Sequence[Series]) -> Plot:
    """What `series` logged of one field, against steps."""
    lowest = min(0.0, *(min(one.y) for one in series))  # a loss may be negative
    highest = max(max(one.y) for one in series)
    top = 1.0 if field in _WHOLE else highest + 0.05 * (highest - lowest) or 1.0
    last = "; ".join(f"{one.label} ends at {one.y[-1]:.3g}" for one in series)
    return Plot(
        f"train-{field}",
        title,
        f"{title} against steps: {last}",
        Axis("step", 0.0, max(1.0, *(max(one.x) for one in series))),
        Axis(
            "",
            lowest,
            top if top > lowest else lowest + 1.0,
            per_cent=field in _WHOLE or field == "saturated",
        ),
        series,
    )
