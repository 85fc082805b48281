"""The tests of a classification, as a result beside others: the error after the last step, and the lowest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nsface.report.axis import Axis, ratio_axis
from nsface.report.plots import FEW, Plot, Series
from nsface.results import Figure, Result
from nsface.results.official import BEST_TEST_ERROR, TEST_ERROR
from nsface.results.text import WIDTH, named_values, percent

if TYPE_CHECKING:
    from nsface.report.runs import Run

KEY = "test.jsonl"  # of the results of a run: the file that they are from


@dataclass(frozen=True)
class ClassificationTest(Result):
    """What the test images of a classification gave, as shares.

    Attributes:
        test_error: after the last step.
        best_test_error: the lowest of all tests, which the test images have chosen; that after `best_step`.
        ece, mce: the expected and the maximum calibration error after the last step.
        images: how many there are.
        tests: how many were made.
    """

    test_error: float
    best_test_error: float
    best_step: int
    ece: float
    mce: float
    images: int
    tests: int
    protocol: str = "classification"

    def figures(self) -> list[Figure]:
        return [
            Figure(TEST_ERROR, self.test_error),
            Figure(BEST_TEST_ERROR, self.best_test_error),
            Figure("ECE", self.ece),
            Figure("MCE", self.mce),
        ]

    def headlines(self) -> list[Figure]:
        return self.figures()[:2]

    def description(self) -> str:
        return f"{self.images:,} test images; the test images have chosen the best test"

    def table(self, width: int = WIDTH) -> str:
        return named_values([(one.name, percent(one.value)) for one in self.figures()], width)


def classification_results(lines: Sequence[dict[str, Any]]) -> dict[str, Result]:
    """The result of the tests `lines` of a run, by `KEY`; none where there are no lines."""
    if not lines:
        return {}
    last, best = lines[-1], min(lines, key=lambda line: line["error"])
    made = ClassificationTest(
        last["error"], best["error"], best["step"], last["ece"], last["mce"], last["images"], len(lines)
    )
    return {KEY: made}


def is_classification(run: Run) -> bool:
    """Whether `run` trains a classification: its identities are classes of anything."""
    return run.recipe.get("task") == "classification"


def test_plots(runs: Sequence[Run]) -> list[Plot]:
    """The error on the test images against steps; none where no run has tests."""
    series = [
        Series(
            run.name,
            [line["step"] for line in run.tests],
            [line["error"] for line in run.tests],
            number,
            points=len(run.tests) < FEW,
        )
        for number, run in enumerate(runs)
        if run.tests
    ]
    if not series:
        return []
    ends = "; ".join(f"{one.label} ends at {100 * one.y[-1]:.2f} %" for one in series)
    x = Axis("step", 0.0, max(1.0, *(one.x[-1] for one in series)))
    y = ratio_axis("", [error for one in series for error in one.y], per_cent=True)
    return [Plot("test-error", TEST_ERROR, f"{TEST_ERROR} against steps: {ends}", x, y, series)]
