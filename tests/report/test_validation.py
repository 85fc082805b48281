"""Validations in the report: curves against epochs, the chosen state, the table, and the warning."""

from __future__ import annotations

import re
from typing import Any

from nsface.report.charts import validation_charts
from nsface.report.checks import find_checks
from nsface.report.doubts import find_doubts
from nsface.report.page import render
from nsface.report.systems import find_systems
from nsface.report.validation import validation_plots, validation_scores
from tests.report.made import make_run

Line = dict[str, Any]


def line(step: int, name: str, accuracy: float, **more: Any) -> Line:
    return {"step": step, "epoch": step / 4, "name": name, "accuracy": accuracy, "standard_error": 0.02,
            "auc": 0.9} | more  # fmt: skip


HELD_OUT = [
    line(4, "held-out", 0.71, held_out=True, best=True),
    line(4, "lfw", 0.80),
    line(8, "held-out", 0.78, held_out=True, best=True),
    line(8, "lfw", 0.86),
    line(12, "held-out", 0.75, held_out=True),
    line(12, "lfw", 0.88),
]
ON_LFW = [line(6, "lfw", 0.9, best=True), line(12, "lfw", 0.89)]


def test_curves_are_drawn_against_epochs_with_the_standard_error_and_the_chosen_state() -> None:
    runs = [make_run("a", validation=HELD_OUT), make_run("none"), make_run("c", validation=ON_LFW)]
    held_out, lfw = validation_plots(runs)
    assert [(one.label, one.number) for one in lfw.series] == [("a", 0), ("c", 2)]
    assert list(lfw.series[0].x) == [1, 2, 3]
    assert lfw.series[0].band == (
        [0.80 - 0.02, 0.86 - 0.02, 0.88 - 0.02],
        [0.80 + 0.02, 0.86 + 0.02, 0.88 + 0.02],
    )
    assert list(lfw.rings) == [(2, 0.86, 0), (1.5, 0.9, 2)], "the state in best.safetensors, on every curve"
    assert list(held_out.rings) == [(2, 0.78, 0)]
    assert (lfw.x.high, round(lfw.y.low, 6), round(lfw.y.high, 6)) == (3, 0.75, 0.95)
    assert lfw.description.endswith("a ends at 88.00 %; c ends at 89.00 %")


def test_the_page_has_the_table_and_warns_of_a_test_list_that_chose() -> None:
    run = make_run("a", validation=HELD_OUT)
    rows = validation_scores([run]).table.rows
    assert [(name, which, [cell.value for cell in cells]) for name, which, cells in rows] == [
        ("a", "held-out", ["75.00", "78.00", "3"]),
        ("a", "lfw", ["88.00", "86.00", "3"]),
    ]
    assert validation_scores([run]).warning == ""
    warning = validation_scores([run, make_run("c", validation=ON_LFW)]).warning
    assert "highest accuracy on lfw: where that is a test list, its score there is too high" in warning
    page = render([make_run("c", validation=ON_LFW)])
    assert "Validation while training" in page
    assert warning in page
    (chart,) = validation_charts([make_run("c", validation=ON_LFW)])
    assert "band: ± the standard error, ring: the state in best.safetensors" in chart.caption
    assert re.search(r'<path class="band" style="fill:var\(--s0\);', chart.svg)
    assert chart.svg.count("<circle") == 1
    assert "Validation while training" not in render([make_run("a")])


def test_a_validation_that_was_not_made_at_the_chosen_step_has_a_dash() -> None:
    run = make_run("a", validation=[line(4, "lfw", 0.9, best=True), line(6, "other", 0.7)])
    assert [cells[1].value for _, _, cells in validation_scores([run]).table.rows] == ["90.00", "–"]


def test_identities_held_out_are_a_difference_and_other_validations_are_none() -> None:
    environment = {"images": 10, "identities": 5}
    runs = [
        make_run(name, head=head, recipe={"validate": validate}, environment=environment)
        for name, head, validate in [
            ("a", "softmax", []),
            ("b", "arcface", [{"bin": "lfw.bin"}]),
            ("c", "noisy", [{"held_out": 4}]),
        ]
    ]
    checks = " ".join(find_checks(runs))
    assert checks.count("held out") == 1
    assert "c: trained on 10 images of 5 identities, 0 excluded, 4 held out to validate on" in checks
    doubts = [find_doubts(find_systems(some), []) for some in (runs[:2], runs)]
    assert ["more than the head" in " ".join(found) for found in doubts] == [False, True]
