"""Plots of trainings: what runs logged, against steps."""

from __future__ import annotations

from pathlib import Path

from nsface.report.plots import FEW
from nsface.report.runs import Run
from nsface.report.svg import render
from nsface.report.training_plots import LOSS, SATURATION, training_plots


def run(*lines: dict[str, float], name: str = "run") -> Run:
    return Run(Path(name), name, {}, "", {}, list(lines), {})


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


def test_an_extreme_loss_is_drawn_all_the_same() -> None:
    (plot,) = training_plots([run({"step": 1, "loss": -1e12})], {"loss": "loss"})
    assert plot.y.high > plot.y.low
    assert "nan" not in render(plot)
