"""Runs of a classification in reports and in tables of runs: less of an error is better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from nsface.report.axis import Axis, ratio_axis
from nsface.report.comparisons import Row
from nsface.report.page import render
from nsface.report.run_table import RunTable, read_run_table
from nsface.report.runs import read_runs
from nsface.results import Difference
from tests.report.run_folders import write_run

ERRORS = {"softmax": (0.1310, 0.1295, 0.1322), "noisy": (0.1262, 0.1251, 0.1270)}


def write(folder: Path, error: float, **options: Any) -> Path:
    """A run with three tests, of which the second was the best."""
    run = write_run(folder, recipe={"task": "classification"}, **options)
    shares = dict.fromkeys(("loss", "probability", "saturated", "ece", "mce"), 0.25)
    lines = [
        {"step": step, "epoch": step / 10, "images": 10_000, "error": error + above, **shares}
        for step, above in ((5, 0.1), (10, -0.01), (20, 0.0))
    ]
    (run / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        write(tmp_path / f"{head}-seed{seed}", error, head=head, seed=seed)
        for head, errors in ERRORS.items()
        for seed, error in enumerate(errors)
    ]


def table(runs: list[Path], **options: Any) -> RunTable:
    return read_run_table(runs, pytest.fail, **options)


def test_the_table_of_runs_has_the_last_and_the_best_error(runs: list[Path]) -> None:
    shown = table(runs).table(120)
    head = next(line for line in shown.splitlines() if line.startswith("run "))
    assert "test error  best test error" in head
    row = next(line for line in shown.splitlines() if "noisy-seed1" in line)
    assert "12.51            11.51" in row
    assert "official" not in shown


def test_groups_are_compared_by_the_last_error_and_less_is_better(runs: list[Path]) -> None:
    found = table(runs).to_json()["differences"]
    assert [one["score"] for one in found] == ["test error"]
    expected = stats.ttest_rel(ERRORS["noisy"], ERRORS["softmax"])
    assert found[0]["p"] == pytest.approx(expected.pvalue)
    assert found[0]["difference"] < 0
    assert found[0]["verdict"] == "better"
    assert "noisy against" in table(runs).table(120)
    against = table(runs, against="noisy").to_json()["differences"][0]
    assert against["verdict"] == "worse"


def test_errors_are_sorted_with_the_lowest_first(runs: list[Path]) -> None:
    order = [one.run.name.rsplit("/")[-1] for one in table(runs, sort="test error").runs]
    assert order[:3] == ["noisy-seed1", "noisy-seed0", "noisy-seed2"]
    assert order[-1] == "softmax-seed2"


def test_the_report_says_who_makes_fewer_errors(runs: list[Path]) -> None:
    page = render(read_runs(runs))
    lead = "noisy is better than softmax in the mean over seeds on Classification (test error)."
    assert lead in page.replace("\u00a0", " ")
    claim = "noisy is better by 0.48 points (12.61 % against 13.09 %; 95 % interval 0."
    assert claim in page.replace("\u00a0", " ")
    assert "<h3>Tests while training</h3>" in page
    assert 'id="test-error-title">test error against steps: softmax' in page
    assert "identities" not in page.split('id="recipe"')[0]
    assert "people" not in page.split('id="recipe"')[0].split('class="answer"')[1]
    compared = page.split('id="comparisons"')[1].split("<h2")[0]
    assert "(best test error)" not in compared


def test_a_single_run_shows_both_errors_and_its_curve(tmp_path: Path) -> None:
    page = render(read_runs([write(tmp_path / "a", 0.1)]))
    assert "a reaches 10.00 % on Classification (test error)." in page.replace("\u00a0", " ")
    assert "a reaches 9.00 % on Classification (best test error)." in page.replace("\u00a0", " ")
    assert "test error against steps: a ends at 10.00 %" in page


def test_a_run_without_tests_yet_is_listed(tmp_path: Path) -> None:
    run = write(tmp_path / "a", 0.1)
    (run / "test.jsonl").write_text("")
    assert "test error" not in table([run]).table(120)
    assert "Tests while training" not in render(read_runs([run]))


def test_a_damaged_file_of_tests_is_a_note(tmp_path: Path) -> None:
    run, notes = write(tmp_path / "a", 0.1), list[str]()
    (run / "test.jsonl").write_text('{"step": 1}\n')
    read_run_table([run], notes.append)
    assert [note.split(":")[0] for note in notes] == [str(run / "test.jsonl")]


@pytest.mark.parametrize(("what", "better"), [("test error", (1, 0)), ("ECE", (1, 0)), ("accuracy", (0, 1))])
def test_which_sign_is_better(what: str, better: tuple[int, int]) -> None:
    for sign, expected in zip((1, -1), better, strict=True):
        interval = (0.1, 0.3) if sign > 0 else (-0.3, -0.1)
        found = Difference(what, "t", (0.5, 0.5 - sign * 0.2), sign * 0.2, interval, 0.01, trusted=True)
        assert Row("Classification", found, True).better == expected


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ((0.004, 0.05), ["0.5 %", "1 %", "2 %", "5 %"]),
        ((0.08, 0.7), ["10 %", "20 %", "50 %"]),
        ((0.31, 0.72), ["30 %", "50 %", "70 %"]),
        ((0.120, 0.131), ["11 %", "12 %", "13 %", "14 %"]),
        ((0.0, 0.0), ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]),
        ((0.00006, 0.5), ["0.01 %", "0.1 %", "1 %", "10 %"]),
    ],
)
def test_an_axis_of_ratios_has_round_ticks(values: tuple[float, float], ticks: list[str]) -> None:
    axis = ratio_axis("", values, per_cent=True)
    assert [axis.text(tick) for tick in axis.ticks()] == ticks
    assert all(axis.holds(value) for value in values)


def test_a_single_tiny_value_does_not_press_the_others_together() -> None:
    axis = ratio_axis("", [1e-9, 0.01, 0.1])
    assert axis.place(1e-9) == 0
    assert axis.place(0.01) > 0.5


def test_ratios_are_equally_long() -> None:
    axis: Axis = ratio_axis("", [0.01, 0.02, 0.04])
    first, second, third = map(axis.place, (0.01, 0.02, 0.04))
    assert second - first == pytest.approx(third - second)
