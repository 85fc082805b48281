"""Figures of evaluations: ROC, score histograms, CMC, DIR–FAR. PNG and SVG, readable when printed in grey.

Systems differ by line style and shade, not by hue alone; `draw_*` put several on one figure by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nsface.files import make_folder, replacing
from nsface.metrics.identification import cmc, dir_curve
from nsface.metrics.roc import Det, Roc, det
from nsface.report.curves import score_range
from nsface.report.literal import literal

if TYPE_CHECKING:
    from nsface.metrics.calibration import Calibration
    from nsface.protocols.identification import Measured
    from nsface.protocols.verification import Verification

# Okabe–Ito colours in order of darkness, each with its own line style.
STYLES: list[dict[str, Any]] = [
    {"color": "#000000", "linestyle": "-"},
    {"color": "#0072B2", "linestyle": "--"},
    {"color": "#D55E00", "linestyle": "-."},
    {"color": "#009E73", "linestyle": ":"},
    {"color": "#E69F00", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
]
MAX_RANK = 50
_POINTS = 2000  # of a curve; more are not seen, and an ROC of IJB has millions


def draw_verification(folder: Path, systems: Mapping[str, Verification]) -> None:
    """Write `roc` and `det` with all systems and `scores` (or `scores-NAME`) for each into `folder`.

    Raises:
        NsfaceError: the folder cannot be made or written.
    """
    protocol = next(iter(systems.values())).protocol
    draw_roc(folder, {name: measured.curve for name, measured in systems.items()}, protocol)
    curves = {name: det(measured.scores, measured.trials.same) for name, measured in systems.items()}
    draw_det(folder, curves, protocol)
    for name, measured in systems.items():
        draw_scores(
            folder,
            "scores" if len(systems) == 1 else f"scores-{name.strip('/').replace('/', '-')}",
            f"Scores, {protocol}, {name}",
            measured.scores,
            measured.trials.same,
            f"score ({measured.similarity})",
            [fold.threshold for fold in measured.folds],
        )


def draw_roc(folder: Path, curves: Mapping[str, Roc], protocol: str) -> None:
    """Write `roc` with a curve for each system into `folder`.

    Raises:
        NsfaceError: the folder cannot be made or written.
    """
    figure, axes = _figure("FAR (share of impostors accepted)", "TAR (share of genuine pairs accepted)")
    lowest = 1.0
    for index, (name, curve) in enumerate(curves.items()):
        lowest = min(lowest, 1 / int(curve.accepted_impostors[-1]))
        far, tar = _thinned(curve.accepted_impostors, curve.tar)
        axes.step(far, tar, where="post", label=literal(name), **_style(index))
    axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.01), title=f"ROC, {literal(protocol)}")
    _legend(axes, len(curves))
    _save(figure, folder, "roc")


def draw_det(folder: Path, curves: Mapping[str, Det], protocol: str) -> None:
    """Write `det`, both error rates on logarithmic axes, with a curve for each system into `folder`.

    Raises:
        NsfaceError: the folder cannot be made or written.
    """
    figure, axes = _figure("FAR (share of impostors accepted)", "FRR (share of genuine pairs refused)")
    lowest = 1e-3
    for index, (name, curve) in enumerate(curves.items()):
        rates = np.concatenate([curve.far, curve.frr])
        lowest = min(lowest, float(rates[rates > 0].min(initial=1)))
        seen = np.unique(np.linspace(0, len(curve.far) - 1, _POINTS).astype(np.int64))
        axes.step(curve.far[seen], curve.frr[seen], where="post", label=literal(name), **_style(index))
    axes.set(xlim=(lowest, 1), ylim=(lowest, 1))
    axes.set(xscale="log", yscale="log", title=f"DET, {literal(protocol)}")
    _legend(axes, len(curves))
    _save(figure, folder, "det")


def draw_identification(folder: Path, systems: Mapping[str, Measured]) -> None:
    """Write `cmc` and `dir-far` with all systems (or trials) into `folder`, whichever were measured.

    Raises:
        NsfaceError: the folder cannot be made or written.
    """
    closed = {name: m.closed for name, m in systems.items() if m.closed is not None}
    if closed:
        figure, axes = _figure("rank", "share of probes found")
        for index, (name, found) in enumerate(closed.items()):
            rates = cmc(found.rank, MAX_RANK)
            axes.step(np.arange(1, MAX_RANK + 1), rates, where="post", label=literal(name), **_style(index))
        axes.set(xscale="log", xlim=(1, MAX_RANK), ylim=(0, 1.01), title="CMC, closed set")
        axes.set_xticks([1, 2, 5, 10, 20, 50], labels=["1", "2", "5", "10", "20", "50"])
        _legend(axes, len(closed))
        _save(figure, folder, "cmc")
    opened = {name: m.open for name, m in systems.items() if m.open is not None}
    if opened:
        figure, axes = _figure("FAR (share of impostors accepted)", "DIR at rank 1")
        lowest = 1.0
        for index, (name, open_set) in enumerate(opened.items()):
            far, dir_ = dir_curve(open_set)
            lowest = min(lowest, 1 / len(open_set.impostors))
            axes.step(far, dir_, where="post", label=literal(name), **_style(index))
        axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.01), title="DIR–FAR, open set")
        _legend(axes, len(opened))
        _save(figure, folder, "dir-far")


def draw_scores(
    folder: Path,
    file: str,
    title: str,
    scores: npt.NDArray[np.floating],
    same: npt.NDArray[np.bool_],
    label: str,
    thresholds: Sequence[float],
) -> None:
    """Write a histogram of genuine and impostor `scores`, with the folds' `thresholds`, into `folder`.

    Raises:
        NsfaceError: the folder cannot be made or written.
    """
    figure, axes = _figure(label, "share of the pairs of its kind")
    bins = np.linspace(*score_range(scores), 61)
    styles: list[dict[str, Any]] = [
        {"label": "different people", "fill": True, "color": "0.75"},
        {"label": "same person", "fill": False, "edgecolor": "black", "linewidth": 1.5},
    ]
    for kind, style in zip((~same, same), styles, strict=True):
        counts = np.histogram(scores[kind], bins)[0]
        axes.stairs(counts / counts.sum(), bins, **style)
    for index, threshold in enumerate(sorted(set(thresholds))):
        axes.axvline(
            threshold,
            color="#D55E00",
            linestyle="--",
            linewidth=0.8,
            label="thresholds" if index == 0 else None,
        )
    axes.set_title(literal(title))
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right", fontsize=9)
    _save(figure, folder, file)


def draw_reliability(folder: Path, name: str, measured: Calibration) -> None:
    """Write `reliability`: how often decisions are right, against how probable they are said to be.

    Raises:
        NsfaceError: the folder cannot be made or written.
    """
    figure, axes = _figure("confidence (probability of the decision)", "share of right decisions")
    filled = measured.count > 0
    axes.plot([0.5, 1], [0.5, 1], color="0.6", linewidth=0.8, label="perfect calibration")
    axes.plot(
        measured.confidence[filled],
        measured.accuracy[filled],
        "o-",
        color="black",
        markersize=4,
        label=literal(name),
    )
    for x, y, count in zip(
        measured.confidence[filled], measured.accuracy[filled], measured.count[filled], strict=True
    ):
        axes.annotate(f"{count}", (x, y), (0, -11), textcoords="offset points", fontsize=7, ha="center")
    axes.set(xlim=(0.48, 1.02), ylim=(0, 1.02), title=f"Reliability, ECE {100 * measured.error:.2f} %")
    axes.legend(loc="lower left", fontsize=9)
    _save(figure, folder, "reliability")


def _thinned(
    impostors: npt.NDArray[np.int64], tar: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """FAR and TAR at no more points than are seen, close together where a logarithmic axis is wide."""
    last = np.flatnonzero(np.append(np.diff(impostors) > 0, True))  # of each FAR the highest TAR
    if len(last) > _POINTS:
        wanted = np.geomspace(1, impostors[-1], _POINTS)
        last = np.unique(np.append(last[0], last[np.searchsorted(impostors[last], wanted, side="right") - 1]))
    return impostors[last] / impostors[-1], tar[last]


def _legend(axes: Axes, entries: int) -> None:
    few = entries <= len(STYLES)
    axes.legend(loc="best", fontsize=9 if few else 7, ncols=1 if few else 2)


def _style(index: int) -> dict[str, Any]:
    return {**STYLES[index % len(STYLES)], "linewidth": 1.5 if index < len(STYLES) else 0.8}


def _figure(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(which="major", color="0.85", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _save(figure: Figure, folder: Path, name: str) -> None:
    make_folder(folder)
    for suffix in ("png", "svg"):
        with replacing(folder / f"{name}.{suffix}") as temporary:
            figure.savefig(temporary, dpi=150, metadata={"Date": None} if suffix == "svg" else None)
