"""Comparisons of the report: whose they are, when one system counts as better, and tests over seeds."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy import stats

from nsface.report.comparisons import compare_seeds, find_pairs
from nsface.report.systems import find_systems
from tests.report.made import blufr, ident_compared, identification, lfw, lfw_compared, make_run


@pytest.mark.parametrize(
    ("interval", "p", "better"),
    [
        ((0.001, 0.03), 0.04, 0),
        ((-0.03, -0.001), 0.04, 1),
        ((-0.001, 0.03), 0.06, None),
        ((0.0, 0.03), 0.05, None),
        ((0.001, 0.03), 0.06, None),
        ((0.001, 0.03), None, 0),
        (None, None, None),
        ((0.02, 0.02), 0.0, None),
    ],
)
def test_better_is_what_the_trusted_interval_says(
    interval: tuple[float, float] | None, p: float | None, better: int | None
) -> None:
    """The other tests of this comparison all find a difference, with p below 0.001."""
    (pair,) = find_pairs(find_systems([make_run("a", c=lfw_compared("a", "b", interval, p)), make_run("b")]))
    assert [row.better for row in pair.headlines] == [better]
    assert {row.better for row in pair.untrusted} == {None}
    assert len(pair.untrusted) == 2


def test_systems_are_called_by_the_runs_that_their_files_lie_in(tmp_path: Path) -> None:
    runs = [make_run("a", c=lfw_compared("a", "b", (0.1, 0.2))), make_run("b", head="noisy")]
    (pair,) = find_pairs(find_systems(runs))
    assert (pair.first, pair.second, pair.shown) == ("a", "b", True)
    moved = lfw_compared("a", "b", (0.1, 0.2)).named("/old/place/a/lfw.npz", "elsewhere/x.npz")
    (pair,) = find_pairs(find_systems([make_run("a", c=moved), make_run("b", head="noisy")]))
    assert (pair.first, pair.second, pair.shown) == ("a", "elsewhere/x.npz", False)


def test_a_comparison_that_lies_in_both_folders_counts_once() -> None:
    same = lfw_compared("a", "b", (0.1, 0.2))
    (pair,) = find_pairs(find_systems([make_run("a", c=same), make_run("b", head="noisy", d=same)]))
    assert len(pair.headlines) == 1


def test_a_comparison_counts_once_where_an_older_file_has_more_digits() -> None:
    old, new = (lfw_compared("a", "b", ends) for ends in ((0.1 / 3, 0.2), (0.0333333333, 0.2)))
    (pair,) = find_pairs(find_systems([make_run("a", c=old), make_run("b", head="noisy", d=new)]))
    assert len(pair.headlines) == 1


def test_rows_are_in_the_order_of_the_protocols_under_their_titles() -> None:
    run = make_run(
        "a",
        a=ident_compared("a", "b", (0.1, 0.2), (-0.1, 0.3)),
        b=lfw_compared("a", "b", (0.1, 0.2)),
        ident=identification(0.5, 0.4),
    )
    (pair,) = find_pairs(find_systems([run]))
    assert [row.label for row in pair.headlines] == [
        "LFW verification",
        "LFW identification (Rank-1)",
        "LFW identification (DIR at FAR 1 %)",
    ]


def test_a_comparison_on_rendered_faces_is_called_so() -> None:
    run = make_run("a", c=lfw_compared("a", "b", (0.1, 0.2)), lfw=lfw(0.9, rendered=True))
    (pair,) = find_pairs(find_systems([run]))
    assert pair.headlines[0].protocol == "LFW verification, rendered faces"


FIRST, SECOND = {0: 0.91, 1: 0.93, 2: 0.92}, {0: 0.90, 1: 0.905, 2: 0.91}


def test_the_same_seeds_are_paired() -> None:
    found = compare_seeds("accuracy", FIRST, dict(reversed(SECOND.items())))
    expected = stats.ttest_rel(list(FIRST.values()), list(SECOND.values()))
    assert found.test == "paired t test over 3 seeds"
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert found.interval == pytest.approx((interval.low, interval.high))
    assert found.values == pytest.approx((0.92, 0.905))


def test_other_seeds_are_compared_by_welch() -> None:
    found = compare_seeds("accuracy", FIRST, {0: 0.90, 7: 0.905})
    expected = stats.ttest_ind([0.91, 0.93, 0.92], [0.90, 0.905], equal_var=False)
    assert found.test == "Welch's t test over 3 and 2 seeds"
    assert found.p == pytest.approx(expected.pvalue)


def test_differences_that_are_all_equal_are_not_tested() -> None:
    """0.91 − 0.9 and 0.93 − 0.92 are equal but for rounding: there is no spread to judge by."""
    found = compare_seeds("accuracy", {0: 0.91, 1: 0.93}, {0: 0.90, 1: 0.92})
    assert (found.interval, found.p) == (None, None)
    assert found.difference == pytest.approx(0.01)


def test_two_systems_with_several_seeds_are_compared_later_less_earlier() -> None:
    runs = [make_run(f"s-{seed}", seed=seed, lfw=lfw(SECOND[seed]), bl=blufr(0.5)) for seed in SECOND]
    runs += [make_run(f"n-{seed}", seed=seed, head="n", lfw=lfw(FIRST[seed])) for seed in FIRST]
    (pair,) = find_pairs(find_systems(runs))
    assert (pair.first, pair.second) == ("n", "s")
    (row,) = pair.rows
    assert row.over_seeds
    assert row.label == "LFW verification"
    assert row.difference.difference == pytest.approx(0.015)
