"""The charts of a report: training curves, saturation, ROC, scores, CMC and DIR–FAR of several runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nsface.report.runs import Run
from nsface.report.svg import Axis, Series, histogram, line_chart

LOSS = {
    "loss": "loss, mean since the line before",
    "accuracy": "training accuracy",
    "learning_rate": "learning rate",
}
# What Noisy Softmax is about: samples that saturate teach the network no more.
SATURATION = {
    "probability": "mean probability of the label, without noise",
    "saturated": "share of samples with probability > 0.999",
    "gradient": "mean gradient on the target logit",
}
FAR = "FAR, share of impostors accepted"
RATES = (  # key of the curves, key of its rates, titles of the axes and of the chart
    ("roc", "tar", (FAR, "TAR, share of genuine pairs", "ROC")),
    ("dir_far", "dir", (FAR, "DIR at rank 1", "DIR against FAR, open set")),
)
WHOLE = {"accuracy", "probability"}  # drawn from 0 to 100 %


@dataclass(frozen=True)
class Chart:
    """An SVG element with its caption and the (series number, name) pairs of its legend."""

    svg: str
    caption: str
    legend: list[tuple[int, str]]


def training_charts(runs: Sequence[Run], fields: Mapping[str, str]) -> list[Chart]:
    """A chart against steps for each of `fields` that the logs have."""
    charts = []
    for field, title in fields.items():
        series = [
            Series(
                run.name,
                [line["step"] for line in run.log if field in line],
                [line[field] for line in run.log if field in line],
                number,
            )
            for number, run in enumerate(runs)
        ]
        series = [one for one in series if one.x]
        if series:
            steps = Axis("step", 0.0, max(1.0, *(max(one.x) for one in series)))
            lowest = min(0.0, *(min(one.y) for one in series))  # a loss may be negative
            highest = max(max(one.y) for one in series)
            top = 1.0 if field in WHOLE else highest + 0.05 * (highest - lowest) or 1.0
            values = Axis(
                "",
                lowest,
                top if top > lowest else lowest + 1.0,
                per_cent=field in WHOLE or field == "saturated",
            )
            last = "; ".join(f"{one.label} ends at {one.y[-1]:.3g}" for one in series)
            svg = line_chart(f"train-{field}", f"{title} against steps: {last}", steps, values, series)
            charts.append(Chart(svg, title, _legend(series)))
    return charts


def result_charts(name: str, results: Mapping[int, tuple[str, dict[str, Any]]]) -> list[Chart]:
    """Charts of one protocol: `results` has, by the run's number, its name and its result."""
    curves = {number: (run, r["curves"]) for number, (run, r) in results.items() if r.get("curves")}
    charts = []
    for key, rate, titles in RATES:
        series = [
            Series(run, c[key]["far"], c[key][rate], number, step=True)
            for number, (run, c) in curves.items()
            if c.get(key)
        ]
        if series:
            charts.append(_rate_chart(f"{name}-{key}", titles, series))
    ranks = [
        Series(run, range(1, len(c["cmc"]) + 1), c["cmc"], number)
        for number, (run, c) in curves.items()
        if c.get("cmc")
    ]
    if ranks:
        charts.append(_rank_chart(f"{name}-cmc", ranks))
    for number, (run, c) in curves.items():
        if c.get("histogram"):
            result = results[number][1]
            charts.append(_score_chart(f"{name}-scores-{number}", run, number, c["histogram"], result))
    return charts


def _rank_chart(name: str, series: Sequence[Series]) -> Chart:
    x = Axis("rank", 1.0, float(max(2, *(len(one.x) for one in series))), log=True)
    y = Axis("share of probes found", 0.0, 1.0, per_cent=True)
    said = "; ".join(f"{one.label} finds {100 * one.y[0]:.1f} % at rank 1" for one in series)
    return Chart(line_chart(name, f"CMC: {said}", x, y, series), "CMC, closed set", _legend(series))


def _rate_chart(name: str, titles: tuple[str, str, str], series: Sequence[Series]) -> Chart:
    lowest = min(rate for one in series for rate in one.x if rate > 0)
    x = Axis(titles[0], 10.0 ** min(-1, math.floor(math.log10(lowest))), 1.0, log=True, per_cent=True)
    y = Axis(titles[1], 0.0, 1.0, per_cent=True)
    said = "; ".join(f"{one.label} reaches {100 * _at(one, 0.01):.1f} % at FAR 1 %" for one in series)
    return Chart(line_chart(name, f"{titles[2]}: {said}", x, y, series), titles[2], _legend(series))


def _at(series: Series, far: float) -> float:
    """The value of steps at `far`."""
    return max((y for x, y in zip(series.x, series.y, strict=True) if x <= far), default=0.0)


def _score_chart(name: str, run: str, number: int, counts: dict[str, Any], result: dict[str, Any]) -> Chart:
    thresholds = [fold["threshold"] for fold in result["folds"]]
    x = Axis(f"score ({result['similarity']})", counts["low"], counts["high"])
    impostors = result["pairs"] - result["genuine"]
    said = f"scores of {result['genuine']} genuine pairs and {impostors} impostors, {run}"
    svg = histogram(name, said, x, (counts["genuine"], counts["impostor"]), thresholds, number)
    caption = f"scores of {run}; line: same person, area: different people, bar: range of thresholds"
    return Chart(svg, caption, [])


def _legend(series: Sequence[Series]) -> list[tuple[int, str]]:
    return [(one.number, one.label) for one in series] if len(series) > 1 else []
