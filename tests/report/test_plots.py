"""What plots show: the rates, counts and logs that they are made of, and what they are called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.report.plots import (
    FEW,
    LOSS,
    SATURATION,
    System,
    cmc_plot,
    det_plot,
    dir_plot,
    reliability_plot,
    result_plots,
    roc_plot,
    score_plot,
    training_plots,
)
from nsface.report.runs import Run
from nsface.report.svg import render
from nsface.results import TemplateVerification
from nsface.results.curves import Curves, Histogram, RocCurve
from tests.report.test_figures import PAIRS, RATED, SEARCHED, verification


def system(curves: Curves, number: int = 0, name: str = "a", **changes: Any) -> System:
    return System(number, name, replace(verification(), **changes), curves)


def run(*lines: dict[str, float], name: str = "run") -> Run:
    return Run(Path(name), name, {}, "", {}, list(lines), {})


def test_roc_begins_a_decade_below_its_smallest_far() -> None:
    plot = roc_plot([system(PAIRS)])
    assert plot
    assert (plot.x.low, plot.x.high, plot.x.log) == (0.01, 1.0, True)
    assert plot.series[0].x == (0.0, 0.01, 1.0)
    assert plot.series[0].step
    assert plot.title == "ROC, LFW verification"
    assert plot.description == "ROC, LFW verification: a reaches 60.0 % at FAR 1 %"
    rare = roc_plot([system(Curves(roc=RocCurve((3.2e-7, 1.0), (0.5, 1.0))))])
    assert rare
    assert rare.x.low == pytest.approx(1e-7)


def test_rendered_faces_are_called_rendered_in_every_title() -> None:
    both = replace(PAIRS, cmc=SEARCHED.cmc, dir_far=SEARCHED.dir_far)
    plots = result_plots([system(both, rendered=True, calibration=RATED)])
    assert [plot.name for plot in plots] == ["roc", "det", "dir-far", "cmc", "reliability", "scores"]
    assert all("LFW verification, rendered faces" in plot.title for plot in plots)
    mixed = roc_plot([system(PAIRS), system(PAIRS, 1, "b", rendered=True)])
    assert mixed
    assert mixed.title == "ROC, LFW verification and LFW verification, rendered faces"


def test_det_has_both_error_rates_on_the_same_decades() -> None:
    plot = det_plot([system(PAIRS)])
    assert plot
    assert (plot.x.low, plot.y.low) == (0.1, 0.1)
    assert plot.description.endswith("a refuses 50.0 % at FAR 1 %")


def test_ranks_and_dir() -> None:
    cmc, dir_far = cmc_plot([system(SEARCHED, 3)]), dir_plot([system(SEARCHED, 3)])
    assert cmc
    assert dir_far
    assert (cmc.series[0].x, cmc.series[0].y, cmc.series[0].number) == ([1.0, 2.0], (0.5, 0.75), 3)
    assert cmc.description.endswith("a finds 50.0 % at rank 1")
    assert dir_far.series[0].y == (0.25, 0.5)


def test_bars_are_shares_of_the_pairs_of_their_kind() -> None:
    plot = score_plot(system(PAIRS, 2))
    assert plot
    assert plot.area
    line = plot.series[0]
    assert (line.label, plot.area.label, line.number) == ("same person", "different people", 2)
    assert list(line.y) == [0, 0, 0.25, 0.75, 0]
    assert list(plot.area.y) == [0, 0.8, 0, 0.2, 0]
    assert np.allclose(line.x, [-1, -1, -1 / 3, 1 / 3, 1])
    assert plot.thresholds == (0.3, 0.4)
    assert plot.x.title == "score (cosine)"
    assert plot.description.endswith("4 genuine pairs and 5 impostors")


def test_scores_without_folds_have_no_thresholds() -> None:
    plot = score_plot(System(0, "a", TemplateVerification(tar_at_far=()), PAIRS))
    assert plot
    assert plot.thresholds is None
    empty = score_plot(system(Curves(histogram=Histogram(0.0, 1.0, (0,), (0,)))))
    assert empty
    assert empty.y.high > empty.y.low


def test_reliability_has_the_bins_with_decisions_in_them() -> None:
    plot = reliability_plot([system(PAIRS, calibration=RATED), system(PAIRS, 1, "b")])
    assert plot
    assert plot.reference
    assert [one.label for one in plot.series] == ["a, ECE 2.10 %"]
    assert (plot.series[0].x, plot.series[0].y) == ([0.55, 0.95], [0.5, 1.0])
    assert list(plot.notes) == [(0.55, 0.5, "4"), (0.95, 1.0, "9")]
    assert reliability_plot([system(PAIRS)]) is None
    both = reliability_plot([system(PAIRS, calibration=RATED), system(PAIRS, 1, "b", calibration=RATED)])
    assert both
    assert len(both.series) == 2
    assert not both.notes, "the counts of two systems would cover each other"


def test_what_was_not_measured_is_not_drawn() -> None:
    assert result_plots([]) == []
    assert result_plots([system(Curves())]) == []
    names = [plot.name for plot in result_plots([system(Curves()), system(PAIRS, 1, "x/b/")])]
    assert names == ["roc", "det", "scores-x-b"]


def test_training_is_drawn_against_steps_run_by_run() -> None:
    first = run({"step": 10, "loss": 2.0, "accuracy": 0.5}, {"step": 20, "loss": -1.0}, name="a")
    plots = training_plots([first, run(name="empty"), run({"step": 30, "loss": 1.0}, name="c")], LOSS)
    assert [plot.name for plot in plots] == ["train-loss", "train-accuracy"]
    loss, accuracy = plots
    assert [(one.label, one.number, list(one.y)) for one in loss.series] == [("a", 0, [2, -1]), ("c", 2, [1])]
    assert (loss.x.high, loss.y.low) == (30, -1)
    assert loss.y.high > 2
    assert (accuracy.y.low, accuracy.y.high) == (0, 1)
    assert (
        loss.description == "loss, mean since the previous log line against steps: a ends at -1; c ends at 1"
    )
    assert training_plots([run()], SATURATION) == []


def test_short_lines_show_their_points() -> None:
    for length in (1, FEW - 1, FEW):
        lines = [{"step": step, "loss": 0.0} for step in range(1, length + 1)]
        (plot,) = training_plots([run(*lines)], {"loss": "loss"})
        assert bool(plot.points(plot.series[0])) == (length < FEW)
        assert plot.y.high > plot.y.low


def test_extreme_numbers_are_drawn_all_the_same() -> None:
    (plot,) = training_plots([run({"step": 1, "loss": -1e12})], {"loss": "loss"})
    rare = roc_plot([system(Curves(roc=RocCurve((5e-324, 1.0), (0.5, 1.0))))])
    assert rare
    for one in (plot, rare):
        assert one.y.high > one.y.low
        assert "nan" not in render(one)


def test_points_outside_the_axes_are_not_drawn() -> None:
    plot = roc_plot([system(PAIRS)])
    assert plot
    assert plot.points(plot.series[0]) == [(0.01, 0.6), (1.0, 1.0)]
