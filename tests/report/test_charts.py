"""Charts of a page: each plot as SVG of its own name, with what its shapes mean."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from nsface.report.charts import LOSS, result_charts, training_charts
from nsface.report.runs import Run
from nsface.results import BlufrRates
from tests.report.test_figures import PAIRS, RATED, SEARCHED, verification


def test_runs_keep_their_numbers_in_every_chart() -> None:
    result = replace(verification(), curves=PAIRS)
    charts = result_charts("lfw", {1: ("b", result), 4: ("e", result)})
    assert [chart.legend for chart in charts] == [[(1, "b"), (4, "e")]] * 2 + [[], []]
    assert all(set(re.findall(r"line s(\d)", chart.svg)) <= {"1", "4"} for chart in charts)
    identifiers = [re.findall(r'<title id="([^"]*)"', chart.svg)[0] for chart in charts]
    assert identifiers == ["lfw-roc-title", "lfw-det-title", "lfw-scores-b-title", "lfw-scores-e-title"]


def test_captions_say_what_was_measured_and_what_the_shapes_mean() -> None:
    result = replace(verification(calibration=RATED), curves=PAIRS, rendered=True)
    measured = "LFW verification, rendered faces"
    assert [chart.caption for chart in result_charts("lfw", {0: ("a", result)})] == [
        f"ROC, {measured}",
        f"DET, {measured}",
        f"Reliability, {measured}; thin line: perfect calibration",
        f"Scores of a, {measured}; line: same person, area: different people, bar: range of thresholds",
    ]


def test_results_without_curves_have_no_charts() -> None:
    assert result_charts("lfw", {0: ("a", verification()), 1: ("b", BlufrRates(tar_at_far=()))}) == []
    searched = result_charts("x", {0: ("a", replace(verification(), curves=SEARCHED))})
    assert [chart.caption.split(",")[0] for chart in searched] == ["DIR against FAR", "DET", "CMC"]


def test_training_charts_of_several_runs_have_a_legend() -> None:
    runs = [Run(Path(name), name, {}, "", {}, [{"step": 1, "loss": 2.0}], {}) for name in "ab"]
    (chart,) = training_charts(runs, LOSS)
    assert (chart.caption, chart.legend) == (LOSS["loss"], [(0, "a"), (1, "b")])
    (alone,) = training_charts(runs[:1], LOSS)
    assert alone.legend == []
