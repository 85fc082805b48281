"""Figures of evaluations: ROC, score histograms, CMC, DIR–FAR. PNG and SVG, readable when printed in grey.

Systems differ by line style and shade, not by hue alone; `draw_*` put several on one figure by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nsface.errors import NsfaceError
from nsface.files import reason, replacing
from nsface.metrics.identification import cmc, dir_curve

if TYPE_CHECKING:
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


def draw_verification(folder: Path, systems: Mapping[str, Verification]) -> None:
    """Write `roc` with all systems and `scores` (or `scores-NAME`) for each into `folder`.

    Raises:
        NsfaceError: the folder cannot be made or written.
    """
    figure, axes = _figure("FAR (share of impostors accepted)", "TAR (share of genuine pairs accepted)")
    lowest = 1.0
    for index, (name, measured) in enumerate(systems.items()):
        curve = measured.curve
        lowest = min(lowest, 1 / int(curve.accepted_impostors[-1]))
        axes.step(curve.far, curve.tar, where="post", label=name, **_style(index))
    axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.01), title=f"ROC, {_protocol(systems)}")
    _legend(axes, len(systems))
    _save(figure, folder, "roc")
    for name, measured in systems.items():
        _histogram(folder, name, measured, "scores" if len(systems) == 1 else f"scores-{name}")


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
            axes.step(np.arange(1, MAX_RANK + 1), rates, where="post", label=name, **_style(index))
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
            axes.step(far, dir_, where="post", label=name, **_style(index))
        axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.01), title="DIR–FAR, open set")
        _legend(axes, len(opened))
        _save(figure, folder, "dir-far")


def _histogram(folder: Path, name: str, measured: Verification, file: str) -> None:
    """Scores of genuine and impostor pairs with the range of the folds' thresholds."""
    figure, axes = _figure(f"score ({measured.similarity})", "pairs")
    bins = np.histogram_bin_edges(measured.scores, 60).tolist()
    same = measured.trials.same
    axes.hist(measured.scores[~same], bins, color="0.75", label="different people")
    axes.hist(measured.scores[same], bins, histtype="step", color="black", linewidth=1.5, label="same person")
    for index, threshold in enumerate(sorted({fold.threshold for fold in measured.folds})):
        axes.axvline(
            threshold,
            color="#D55E00",
            linestyle="--",
            linewidth=0.8,
            label="thresholds" if index == 0 else None,
        )
    axes.set_title(f"Scores, {measured.protocol}, {name}")
    axes.legend(loc="upper right", fontsize=9)
    _save(figure, folder, file)


def _legend(axes: Axes, entries: int) -> None:
    few = entries <= len(STYLES)
    axes.legend(loc="best", fontsize=9 if few else 7, ncols=1 if few else 2)


def _style(index: int) -> dict[str, Any]:
    return {**STYLES[index % len(STYLES)], "linewidth": 1.5 if index < len(STYLES) else 0.8}


def _protocol(systems: Mapping[str, Verification]) -> str:
    return next(iter(systems.values())).protocol


def _figure(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(which="major", color="0.85", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _save(figure: Figure, folder: Path, name: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NsfaceError(f"cannot make the folder {folder}: {reason(error)}") from error
    for suffix in ("png", "svg"):
        with replacing(folder / f"{name}.{suffix}") as temporary:
            figure.savefig(temporary, dpi=150, metadata={"Date": None} if suffix == "svg" else None)
