"""The table of scores: columns, means over seeds, marks, and what published figures may stand beside it."""

from __future__ import annotations

from nsface.report.runs import Run
from nsface.report.scores import Scores, find_scores
from nsface.report.systems import find_systems
from nsface.report.tables import EMPTY, Cell, protocol_table, single_runs_table, what_spread_is
from tests.report.made import blufr, identification, lfw, make_run


def scores(*runs: Run) -> Scores:
    return find_scores(find_systems(runs))


def test_a_column_for_each_figure_that_anybody_has() -> None:
    found = scores(make_run("a", lfw=lfw(0.9)), make_run("b", head="n", ident=identification(0.5, 0.4)))
    assert found.table.titles == ["LFW", "Rank-1", "DIR at FAR 1 %"]
    first, second = found.table.rows
    assert first == ("a", "", [Cell("90.00", "± 0.50", "89.00 – 91.00"), EMPTY, EMPTY])
    assert second == ("b", "", [EMPTY, Cell("50.00"), Cell("40.00")])
    assert found.spread == "the standard error over folds"
    assert not found.marked


def test_columns_of_one_figure_in_two_files_are_told_apart() -> None:
    found = scores(make_run("a", lfw=lfw(0.9), center=lfw(0.8), blufr=blufr(0.5)))
    assert found.table.titles == ["lfw: LFW", "center: LFW", "BLUFR: TAR at FAR 0.1 %"]
    trials = identification(0.5, 0.4, protocol="identification")
    both = scores(make_run("a", ident=identification(0.5, 0.4), trials=trials))
    assert both.table.titles[:2] == ["LFW identification: Rank-1", "Identification: Rank-1"]


def test_figures_of_other_lists_are_marked_and_not_set_beside_published_ones() -> None:
    found = scores(make_run("a", lfw=lfw(0.9, pairs=1000)))
    assert found.marked
    assert found.table.rows[0][2][0].marked
    assert found.published is None
    assert scores(make_run("a", lfw=lfw(0.9, rendered=True))).published is None


def test_published_figures_of_the_official_lists_that_were_used() -> None:
    found = scores(make_run("a", lfw=lfw(0.9), ident=identification(0.5, 0.4, protocol="identification")))
    assert found.published
    table, published = found.published
    assert table.titles == ["LFW"]
    assert {row.figures for row in published} >= {(99.18,), (98.83,)}


def test_dir_of_blufr_is_not_set_beside_that_of_lfw_identification() -> None:
    ours = scores(make_run("a", ident=identification(0.5, 0.4)))
    assert ours.published
    assert ours.published[0].titles == ["Rank-1", "DIR at FAR 1 %"]
    assert scores(make_run("a", blufr=blufr(0.5))).published is None


def test_mean_and_standard_deviation_over_seeds() -> None:
    """0.90, 0.91 and 0.92 have the mean 0.91 and the deviation 0.01 (ddof = 1)."""
    runs = [make_run(f"a-{seed}", seed=seed, lfw=lfw(0.9 + seed / 100)) for seed in range(3)]
    found = scores(*runs)
    assert found.table.rows == [("a", "3 seeds: 0, 1, 2", [Cell("91.00", "± 1.00")])]
    assert found.spread == "the standard deviation over seeds"
    systems = find_systems([*runs, make_run("b", head="n", lfw=lfw(0.5))])
    single = single_runs_table(systems, "lfw")
    assert [name for name, _, _ in single.rows] == ["a-0", "a-1", "a-2"]
    assert single.rows[2][2][0] == Cell("92.00", "± 0.50", "91.00 – 93.00", marked=True)
    assert protocol_table(systems, "lfw").titles == ["accuracy", "AUC", "EER"]
    assert what_spread_is(systems, "lfw") == (
        "the standard error over folds or the standard deviation over seeds, where there are several"
    )
