"""The simulation of coverage: that its truths are true, and its page says where the target is missed."""

from __future__ import annotations

from pathlib import Path

import coverage
import coverage_models as models
import coverage_thresholds as thresholds
import numpy as np
import pytest
from coverage_page import GROUPS, THRESHOLDS, Row, page, part, with_part
from scipy.stats import norm


@pytest.mark.parametrize("effect", [0.0, 0.5])
def test_scores_have_the_accuracy_asked_for_and_share_people(effect: float) -> None:
    pairs, random = models.small(2000, 20_000), np.random.default_rng(0)
    distance = models.distance_for(0.9)
    first, second = pairs.systems(random, distance, effect)
    same = pairs.trials.same
    assert ((first >= distance / 2) == same).mean() == pytest.approx(0.9, abs=0.015)
    assert np.corrcoef(first[same], second[same])[0, 1] == pytest.approx(0.5, abs=0.06)
    person = pairs.left[same]
    sums = np.bincount(person, first[same] - distance) ** 2
    squares = np.bincount(person, (first[same] - distance) ** 2)
    counts = np.bincount(person)
    within = (sums - squares).sum() / (counts * (counts - 1)).sum()  # covariance of two pairs of one person
    assert within == pytest.approx(effect, abs=0.08)


def test_lists_without_official_ones_are_of_lfws_size(tmp_path: Path) -> None:
    pairs = models.lfw(tmp_path)
    assert (len(pairs.trials), pairs.trials.folds, int(pairs.trials.same.sum())) == (6000, 10, 3000)
    assert pairs.trials.people_in_several_folds() == []


def test_every_setting_runs_and_lists_its_rows(tmp_path: Path) -> None:
    everything = coverage.settings(tmp_path, 0.0)
    kinds = {setting.func.__name__: setting for setting in everything}  # type: ignore[attr-defined]
    assert set(kinds) == {"folds", "view_1", "ranks", "open_sets", "templates"}
    for name in ("view_1", "ranks", "templates"):
        rows = kinds[name](0)
        assert all(0 <= row.share <= 1 and row.replicates == 2 for row in rows)
    for setting in coverage.threshold_settings(tmp_path, 0.0):
        if setting.func.__name__ != "all_pairs":  # type: ignore[attr-defined]
            assert {row.what for row in setting(0)} <= {"bound", "guarantee"}
    rows = coverage.folds(models.small(40, 200), 0.75, 0.5, 3, 0)
    assert {row.what for row in rows if row.test} == {
        "accuracy difference, identity-aware",
        "accuracy difference, t over folds",
        "McNemar, exact, of accuracy",
        "McNemar, mid-p, of accuracy",
    }
    assert coverage.folds(models.small(40, 200), 0.75, 0.5, 3, 0) == rows


def test_groups_have_their_intervals_and_their_test(tmp_path: Path) -> None:
    equal, *_, unequal = coverage.group_settings(tmp_path, 0.0)
    names = {row.what for row in equal(0) if row.test}
    assert names == {"groups: differences of FNMR", "groups: differences of FMR"}
    assert len({row.what for row in unequal(0)}) == 4


def test_tally_compares_intervals_with_the_truth() -> None:
    tally = coverage.Tally()
    for low in (0.0, 0.4, 0.6):
        tally.interval("given", (low, low + 0.2), 0.5)
        tally.interval("mean", (low, low + 0.3))
    tally.found["mean"] += [0.6, 0.7]
    tally.test("test", 0.05)
    tally.test("test", 0.06)
    shares = {row.what: row.share for row in tally.rows("list", 0.9, 0.0)}
    assert shares == pytest.approx({"given": 1 / 3, "mean": 2 / 3, "test": 0.5})


def test_page_marks_what_misses_the_target_and_says_why() -> None:
    rows = [
        Row("accuracy, identity-aware", "list", 0.9, 0.0, False, 0.95, 1000),
        Row("accuracy, identity-aware", "list", 0.98, 0.0, False, 0.975, 1000),
        Row("McNemar, exact, of accuracy", "list", 0.9, 0.0, True, 0.2, 1000),
        Row("never heard of", "list", 0.9, 0.0, True, 0.2, 1000),
    ]
    text = page(rows, {6000: (0.1, 0.2, 300.0)}, 60, 0)
    assert "| accuracy, identity-aware | interval, 95 % | 0 | 95.0 | *97.5* |" in text
    assert "| McNemar, exact, of accuracy | test, 5 % | 0 | **20.0** |  |" in text
    assert "- McNemar, exact, of accuracy: the test treats pairs (probes) as" in text
    assert "- never heard of: not explained." in text
    assert "| 6,000 | 0.100 s | 0.200 s | 300 MiB |" in text


def test_parts_of_the_page_are_written_anew_by_themselves() -> None:
    text = page([], {6000: (0.1, 0.2, 300.0)}, 60, 0)
    rows = [Row("bound", "list", 0.01, 0.5, False, 0.95, 400, 1.375)]
    parts = [part(THRESHOLDS, "--thresholds", rows, 60, 0), part(GROUPS, "--groups", rows, 60, 0)]
    once = with_part(with_part(text, parts[0]), parts[1])
    assert "| bound | interval, 95 % | 0.5 | 95.0 (1.38) |" in once
    assert once.index("# Calibrated thresholds") < once.index("# Groups of people") < once.index("## Speed")
    for one in parts:
        assert with_part(once, one) == once


@pytest.mark.parametrize("effect", [0.0, 0.5])
def test_false_positives_are_those_of_random_galleries(effect: float) -> None:
    random, gallery = np.random.default_rng(0), 50
    strangers, enrolled = random.normal(size=(4000, 1)), random.normal(size=(4000, gallery))
    scores = models.mixed((strangers + enrolled) / np.sqrt(2), random.normal(size=enrolled.shape), effect)
    found = thresholds.false_positives(2.5, gallery, effect)
    assert (scores.max(axis=1) >= 2.5).mean() == pytest.approx(found, abs=0.03)


def test_distance_is_that_of_the_best_threshold() -> None:
    assert norm.cdf(models.distance_for(0.998) / 2) == pytest.approx(0.998)
