"""The numbers of the curves: attained points, by another route than the code takes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve as attained

from nsface.metrics.identification import OpenSet, dir_at_far, rank_rate
from nsface.metrics.roc import roc, tar_at_far
from nsface.metrics.search import Found
from nsface.protocols.curves import POINTS, RANKS, identification_curves, roc_curve, verification_curves
from nsface.protocols.identification import MeasuredTrial
from nsface.protocols.scored_pairs import ScoredPairs
from nsface.protocols.trials import Trials
from nsface.protocols.verification import measure
from nsface.results.identification import IdentificationTrial
from nsface.results.values import to_json


def verification(seed: int, pairs: int, digits: int) -> ScoredPairs:
    random = np.random.default_rng(seed)
    same = np.arange(pairs) % 2 == 0
    scores = np.round(random.normal(same * 1.0, 1.0), digits)
    names = [f"p{i}/{i}.jpg" for i in range(pairs)]
    trials = Trials(names, names[::-1], same, np.arange(pairs) * 4 // pairs, "list")
    return measure("lfw", trials, scores, "cosine")


@given(st.integers(0, 50), st.integers(20, 400), st.integers(0, 3))
def test_every_point_of_the_roc_is_the_highest_tar_at_its_far(seed: int, pairs: int, digits: int) -> None:
    measured = verification(seed, pairs, digits)
    curve = verification_curves(measured).roc
    assert curve
    far, tar, _ = attained(measured.trials.same, measured.scores, drop_intermediate=False)
    assert len(curve.far) <= POINTS
    assert list(curve.far) == sorted(curve.far)
    assert (curve.far[0], curve.far[-1], curve.tar[-1]) == (0.0, 1.0, 1.0)
    for rate, found in zip(curve.far, curve.tar, strict=True):
        assert found == pytest.approx(tar[far <= rate + 1e-5].max(), abs=1e-6)


def test_the_roc_agrees_with_tar_at_far() -> None:
    measured = verification(1, 4000, 6)
    curve = verification_curves(measured).roc
    assert curve
    at = dict(zip(curve.far, curve.tar, strict=True))
    for far in (0.0, 1.0, curve.far[40]):
        assert at[far] == pytest.approx(tar_at_far(measured.curve, min(far + 1e-6, 1.0)).tar, abs=1e-6)


def test_the_smallest_far_of_millions_of_impostors_is_not_rounded_away() -> None:
    impostors = 3_000_000
    scores, same = np.arange(impostors + 1, dtype=np.float32), np.zeros(impostors + 1, bool)
    same[-3] = True
    curve = roc_curve(roc(scores, same))
    assert curve.far[:4] == pytest.approx(np.arange(4) / impostors, rel=0.01)
    assert curve.tar[:4] == (0, 0, 1, 1)


def test_the_histogram_counts_every_pair() -> None:
    measured = verification(2, 500, 2)
    found = verification_curves(measured).histogram
    assert found
    assert (sum(found.genuine), sum(found.impostor)) == (250, 250)
    assert (found.low, found.high) == (measured.scores.min(), measured.scores.max())


def test_the_worst_errors_of_each_kind_are_errors_and_the_worst_first() -> None:
    measured = verification(3, 300, 6)
    worst = verification_curves(measured).worst_errors or ()
    same, wrong = measured.trials.same, measured.decisions() != measured.trials.same
    thresholds = np.repeat([fold.threshold for fold in measured.folds], 75)
    miss = np.abs(measured.scores - thresholds)
    for kind in (True, False):
        places = [measured.trials.left.index(pair.left) for pair in worst if pair.same == kind]
        expected = np.sort(miss[wrong & (same == kind)])[::-1][:8]
        np.testing.assert_array_equal(miss[places], expected)
        assert len(places) == 8


def test_a_list_without_folds_has_no_worst_errors() -> None:
    random = np.random.default_rng(0)
    trials = Trials(list("abcd"), list("efgh"), np.array([1, 0, 1, 0], bool), np.zeros(4, int), "list")
    measured = measure("pairs", trials, random.normal(size=4), "cosine")
    assert verification_curves(measured).worst_errors == ()


def identification(seed: int) -> MeasuredTrial:
    random = np.random.default_rng(seed)
    found = Found(random.normal(1, 1, 80), random.integers(1, 60, 80))
    return MeasuredTrial("trial", found, OpenSet(found, random.normal(0, 1, 300)), IdentificationTrial())


def test_cmc_and_dir_are_means_over_trials() -> None:
    trials = [identification(0), identification(1)]
    curves = identification_curves(trials)
    assert curves.cmc
    assert curves.dir_far
    assert len(curves.cmc) == RANKS
    for rank in (1, 5, 50):
        expected = np.mean([rank_rate(t.closed.rank, rank) for t in trials if t.closed])
        assert curves.cmc[rank - 1] == pytest.approx(expected, abs=1e-6)
    at = dict(zip(curves.dir_far.far, curves.dir_far.dir, strict=True))
    for far in (0.0, 0.01, 1.0):
        points = [dir_at_far(t.open, far, replicates=1).dir for t in trials if t.open]
        assert at[far] == pytest.approx(np.mean(points), abs=1e-6)


def test_only_what_was_measured_has_a_curve() -> None:
    one = identification(0)
    closed = identification_curves([MeasuredTrial("a", one.closed, None, IdentificationTrial())])
    opened = identification_curves([MeasuredTrial("a", None, one.open, IdentificationTrial())])
    assert (set(to_json(closed)), set(to_json(opened))) == ({"cmc"}, {"dir_far"})


def test_curves_are_small() -> None:
    """They stand in every result: a few kilobytes, however many pairs."""
    measured = verification(4, 20_000, 9)
    assert len(json.dumps(to_json(verification_curves(measured)))) < 10_000
