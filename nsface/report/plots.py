"""What the figures of results and trainings show, whichever way they are drawn.

`nsface.report.svg` draws a `Plot` for an HTML page, `nsface.report.figures` for print. Each builder takes the
systems that are compared and returns None where none of them has the curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from nsface.report.axis import Axis
from nsface.results import Result, Verification
from nsface.results.curves import Curves, Histogram

if TYPE_CHECKING:
    pass

THRESHOLDS = "range of thresholds"
FEW = 12  # a line of fewer points shows where they are
FAR = "FAR, share of impostors accepted"
_DET_ENDS = (0.5, 0.8, 0.99)  # of the axes of a DET plot

T = TypeVar("T")


@dataclass(frozen=True)
class Series:
    """Points (x, y) of one line; `number` gives its style.

    Attributes:
        step: each y holds until the next x.
        points: the points themselves are drawn too.
        spread: of each y, how far a band reaches up and down from it.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    number: int
    step: bool = False
    points: bool = False
    spread: Sequence[float] = ()

    @property
    def band(self) -> tuple[list[float], list[float]]:
        """The lower and the upper edge of the band."""
        pairs = list(zip(self.y, self.spread, strict=True)) if self.spread else []
        return [y - spread for y, spread in pairs], [y + spread for y, spread in pairs]


@dataclass(frozen=True)
class Plot:
    """Lines over two axes.

    Attributes:
        name: what its file is called, and what it is called within a page.
        description: what it shows, for those who do not see it.
        area: steps that are filled down to the axis, behind the lines.
        thresholds: the lowest and the highest threshold on the x axis.
        reference: a line to compare the others with.
        notes: short texts below points: x, y, text.
        rings: points that are marked by a ring: x, y, and the number of the series.
        band: what the bands around lines are.
    """

    name: str
    title: str
    description: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    area: Series | None = None
    thresholds: tuple[float, float] | None = None
    reference: Series | None = None
    notes: Sequence[tuple[float, float, str]] = ()
    rings: Sequence[tuple[float, float, int]] = ()
    band: str = "± the standard error"

    def points(self, series: Series) -> list[tuple[float, float]]:
        """The points of `series` that are drawn themselves: those within the axes, where it shows points."""
        if not series.points:
            return []
        pairs = zip(series.x, series.y, strict=True)
        return [(x, y) for x, y in pairs if self.x.holds(x) and self.y.holds(y)]


@dataclass(frozen=True)
class System:
    """One of the systems in a plot, or one trial of it: `number` gives its style."""

    number: int
    name: str
    result: Result
    curves: Curves


def result_plots(systems: Sequence[System]) -> list[Plot]:
    """Every plot that the curves and results of `systems`, of one protocol, give."""
    together = (roc_plot, det_plot, dir_plot, open_det_plot, cmc_plot, reliability_plot)
    found = [plot for build in together if (plot := build(systems))]
    for system in systems:
        plot = score_plot(system)
        if plot:
            several = len(systems) > 1
            found.append(replace(plot, name=f"{plot.name}-{_file_name(system.name)}") if several else plot)
    return found


def roc_plot(systems: Sequence[System]) -> Plot | None:
    """TAR against FAR."""
    lines = [_line(s, roc.far, roc.tar) for s, roc in _having(systems, lambda curves: curves.roc)]
    return _rate_plot("roc", "ROC", "TAR, share of genuine pairs", lines, systems)


def dir_plot(systems: Sequence[System]) -> Plot | None:
    """DIR at rank 1 against FAR."""
    lines = [_line(s, curve.far, curve.dir) for s, curve in _having(systems, lambda curves: curves.dir_far)]
    return _rate_plot("dir-far", "DIR against FAR, open set", "DIR at rank 1", lines, systems)


def det_plot(systems: Sequence[System]) -> Plot | None:
    """Both error rates of verification against each other."""
    lines = [_line(s, *rates) for s, rates in _having(systems, _error_rates)]
    return _error_plot(
        "det", "DET", ("FMR, impostor pairs accepted", "FNMR, genuine pairs refused"), lines, systems
    )


def open_det_plot(systems: Sequence[System]) -> Plot | None:
    """Both error rates of open-set identification against each other."""
    curves = _having(systems, lambda curves: curves.dir_far)
    lines = [_line(s, curve.far, _complement(curve.dir)) for s, curve in curves]
    titles = ("FPIR, impostors accepted", "FNIR at rank 1")
    return _error_plot("det-open-set", "DET, open set", titles, lines, systems)


def cmc_plot(systems: Sequence[System]) -> Plot | None:
    """The share of probes found at each rank."""
    lines = [
        _line(s, [float(rank) for rank in range(1, len(rates) + 1)], rates)
        for s, rates in _having(systems, lambda curves: curves.cmc)
    ]
    if not lines:
        return None
    x = Axis("rank", 1.0, float(max(2, *(len(one.x) for one in lines))), log=True)
    y = Axis("share of probes found", 0.0, 1.0, per_cent=True)
    title = f"CMC, closed set, {_titles(systems)}"
    said = "; ".join(f"{one.label} finds {100 * one.y[0]:.1f} % at rank 1" for one in lines)
    return Plot("cmc", title, f"{title}: {said}", x, y, lines)


def score_plot(system: System) -> Plot | None:
    """Histograms of the scores of genuine pairs (the line) and impostors (the area)."""
    counts, result = system.curves.histogram, system.result
    if counts is None:
        return None
    kinds = {"same person": counts.genuine, "different people": counts.impostor}
    genuine, impostors = (_bars(label, counts, kind, system.number) for label, kind in kinds.items())
    x = Axis(f"score ({getattr(result, 'similarity', 'cosine')})", counts.low, counts.high)
    y = Axis(
        "share of the pairs of its kind", 0.0, 1.05 * max(*genuine.y, *impostors.y) or 1.0, per_cent=True
    )
    title = f"Scores of {system.name}, {result.title}"
    said = f"{title}: {sum(counts.genuine)} genuine pairs and {sum(counts.impostor)} impostors"
    folds = [fold.threshold for fold in result.folds] if isinstance(result, Verification) else []
    thresholds = (min(folds), max(folds)) if folds else None
    return Plot("scores", title, said, x, y, [genuine], area=impostors, thresholds=thresholds)


def reliability_plot(systems: Sequence[System]) -> Plot | None:
    """How often decisions are right, against how probable they are said to be."""
    lines, notes = [], []
    for system in systems:
        found = system.result.calibration if isinstance(system.result, Verification) else None
        bins = [one for one in found.bins if one.count] if found else []
        if found and bins:
            label = f"{system.name}, ECE {100 * found.ece:.2f} %"
            x, y = [one.confidence for one in bins], [one.accuracy for one in bins]
            lines.append(Series(label, x, y, system.number, points=True))
            notes += [(one.confidence, one.accuracy, f"{one.count}") for one in bins]
    if not lines:
        return None
    title = f"Reliability, {_titles(systems)}"
    return Plot(
        "reliability",
        title,
        f"{title}: {'; '.join(one.label for one in lines)}",
        Axis("confidence, probability of the decision", 0.5, 1.0, per_cent=True),
        Axis("share of right decisions", 0.0, 1.0, per_cent=True),
        lines,
        reference=Series("perfect calibration", [0.5, 1.0], [0.5, 1.0], 0),
        notes=notes if len(lines) == 1 else (),
    )


def _having(systems: Sequence[System], part: Callable[[Curves], T | None]) -> list[tuple[System, T]]:
    """The systems whose curves have a `part`, with it."""
    return [(system, found) for system in systems if (found := part(system.curves)) is not None]


def _titles(systems: Sequence[System]) -> str:
    """What was measured; the report may hold one run's rendered faces against another's real ones."""
    return " and ".join(dict.fromkeys(system.result.title for system in systems))


def _line(system: System, x: Sequence[float], y: Sequence[float]) -> Series:
    return Series(system.name, x, y, system.number, step=True, points=len(x) < FEW)


def _rate_plot(
    name: str, what: str, y_title: str, lines: Sequence[Series], systems: Sequence[System]
) -> Plot | None:
    """A rate from 0 to 100 % against FAR."""
    if not lines:
        return None
    x = Axis(FAR, _decade(far for one in lines for far in one.x), 1.0, log=True, per_cent=True)
    title = f"{what}, {_titles(systems)}"
    said = "; ".join(f"{one.label} reaches {100 * _at(one, 0.01, max):.1f} % at FAR 1 %" for one in lines)
    return Plot(name, title, f"{title}: {said}", x, Axis(y_title, 0.0, 1.0, per_cent=True), lines)


def _error_rates(curves: Curves) -> tuple[Sequence[float], Sequence[float]] | None:
    """FMR and FNMR: of the DET curve, or of the ROC, where JSON has that alone."""
    if curves.det:
        return curves.det.far, curves.det.frr
    return (curves.roc.far, _complement(curves.roc.tar)) if curves.roc else None


def _complement(rates: Sequence[float]) -> list[float]:
    return [1 - rate for rate in rates]


def _error_plot(
    name: str, what: str, titles: tuple[str, str], lines: Sequence[Series], systems: Sequence[System]
) -> Plot | None:
    """Two error rates against each other, both in normal deviates and of the same range."""
    if not lines:
        return None
    low = _decade(rate for one in lines for rate in (*one.x, *one.y))
    highest = max((y for one in lines for x, y in zip(one.x, one.y, strict=True) if x > 0), default=0.0)
    high = next((end for end in _DET_ENDS if highest <= end), _DET_ENDS[-1])
    x, y = (Axis(title, low, high, per_cent=True, normal=True) for title in titles)
    drawn = [_until(one, high) for one in lines]
    names = [title.split(",")[0] for title in titles]
    said = [
        f"{one.label} has {names[1]} {100 * _at(one, 0.01, min):.1f} % at {names[0]} 1 %" for one in lines
    ]
    title = f"{what}, {_titles(systems)}"
    return Plot(name, title, f"{title}: {'; '.join(said)}", x, y, drawn)


def _until(series: Series, high: float) -> Series:
    """`series` to the last point whose x, ascending, is not above `high`; its first point is kept."""
    count = max(1, sum(x <= high for x in series.x))
    return replace(series, x=series.x[:count], y=series.y[:count])


def _decade(rates: Iterable[float]) -> float:
    """The power of ten below the smallest of `rates` that is not 0; at most 10 %, at least 1e-12."""
    lowest = min((rate for rate in rates if rate > 0), default=1.0)
    return 10.0 ** max(-12, min(-1, math.floor(math.log10(lowest) + 1e-9)))


def _at(series: Series, far: float, best: Callable[..., float]) -> float:
    """The best value that is attained at no more than `far`."""
    worst = 0.0 if best is max else 1.0
    return best((y for x, y in zip(series.x, series.y, strict=True) if x <= far), default=worst)


def _bars(label: str, histogram: Histogram, counts: Sequence[int], number: int) -> Series:
    """Bars over the whole histogram as steps, up from the axis and down to it; heights are shares."""
    edges = np.linspace(histogram.low, histogram.high, len(counts) + 1)
    shares = np.asarray(counts) / max(1, sum(counts))
    x, y = [histogram.low, *edges.tolist()], [0.0, *shares.tolist(), 0.0]
    return Series(label, x, y, number, step=True)


def _file_name(name: str) -> str:
    return name.strip("/").replace("/", "-")
