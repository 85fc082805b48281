"""What plots show: the rates, counts and logs that they are made of, and what they are called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from nsface.report.plots import (
    System,
    cmc_plot,
    det_plot,
    dir_plot,
    open_det_plot,
    reliability_plot,
    result_plots,
    roc_plot,
    score_plot,
)
from nsface.report.svg import render
from nsface.results import TemplateVerification
from nsface.results.curves import Curves, DetCurve, Histogram, RocCurve
from tests.report.test_figures import PAIRS, RATED, SEARCHED, verification


def system(curves: Curves, number: int = 0, name: str = "a", **changes: Any) -> System:
    return System(number, name, replace(verification(), **changes), curves)


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
    assert [plot.name for plot in plots] == [
        "roc",
        "det",
        "dir-far",
        "det-open-set",
        "cmc",
        "reliability",
        "scores",
    ]
    assert all("LFW verification, rendered faces" in plot.title for plot in plots)
    mixed = roc_plot([system(PAIRS), system(PAIRS, 1, "b", rendered=True)])
    assert mixed
    assert mixed.title == "ROC, LFW verification and LFW verification, rendered faces"


def test_det_has_both_error_rates_on_equal_axes() -> None:
    plot = det_plot([system(PAIRS)])
    assert plot
    assert (plot.x.low, plot.x.high) == (plot.y.low, plot.y.high) == (0.1, 0.5)
    assert plot.x.normal
    assert plot.y.normal
    assert (plot.x.title[:4], plot.y.title[:5]) == ("FMR,", "FNMR,")
    assert plot.description.endswith("a has FNMR 50.0 % at FMR 1 %")


def test_det_is_drawn_from_the_roc_where_json_has_no_other_curve() -> None:
    plot = det_plot([system(Curves(roc=RocCurve((0.0, 0.25, 1.0), (0.125, 0.75, 1.0))))])
    assert plot
    assert (plot.series[0].x, plot.series[0].y) == ((0.0, 0.25), [0.875, 0.25]), "1 is beyond the axis"


def test_det_of_an_open_set_has_fnir_against_fpir() -> None:
    plot = open_det_plot([system(SEARCHED)])
    assert plot
    assert (plot.series[0].x, plot.series[0].y) == ((0.0,), [0.75])
    assert (plot.x.title[:5], plot.y.title[:14]) == ("FPIR,", "FNIR at rank 1")
    assert plot.description.endswith("a has FNIR at rank 1 75.0 % at FPIR 1 %")
    assert open_det_plot([system(PAIRS)]) is None


@pytest.mark.parametrize(("worst", "end"), [(0.4, 0.5), (0.6, 0.8), (0.9, 0.99)])
def test_det_axes_reach_as_far_as_the_rates(worst: float, end: float) -> None:
    plot = det_plot([system(Curves(roc=RocCurve((0.0, 0.01, 1.0), (0.0, 1 - worst, 1.0))))])
    assert plot
    assert plot.y.high == end


def test_scores_of_two_normal_distributions_give_a_straight_det() -> None:
    thresholds = np.linspace(-1.0, 3.0, 60)
    fmr, fnmr = norm.sf(thresholds), norm.cdf(thresholds, 2.0)
    plot = det_plot([system(Curves(det=DetCurve(tuple(fmr), tuple(fnmr))))])
    assert plot
    x, y = [plot.x.place(share) for share in fmr], [plot.y.place(share) for share in fnmr]
    inside = [(a, b) for a, b in zip(x, y, strict=True) if 0 < a < 1 and 0 < b < 1]
    assert len(inside) > 20
    sums = [a + b for a, b in inside]  # equal deviations: the slope is −1
    assert np.allclose(sums, sums[0], atol=1e-9)


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


def test_extreme_numbers_are_drawn_all_the_same() -> None:
    curves = Curves(roc=RocCurve((5e-324, 1.0), (0.5, 1.0)))
    for plot in (roc_plot([system(curves)]), det_plot([system(curves)])):
        assert plot
        assert plot.y.high > plot.y.low
        assert "nan" not in render(plot)


def test_points_outside_the_axes_are_not_drawn() -> None:
    plot = roc_plot([system(PAIRS)])
    assert plot
    assert plot.points(plot.series[0]) == [(0.01, 0.6), (1.0, 1.0)]
