"""AUC, EER and TAR at FAR, against definitions and scikit-learn."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from nsface.errors import DataError
from nsface.metrics.roc import auc, det, eer, roc, tar_at_far, tar_slope

ROWS = st.lists(st.tuples(st.integers(-3, 3).map(float), st.booleans()), min_size=2, max_size=40)
FARS = st.sampled_from([0.0, 1e-3, 0.1, 0.2, 0.25, 1 / 3, 0.3, 0.5, 0.9, 1.0])


def split(rows: list[tuple[float, bool]]) -> tuple[list[float], list[float]]:
    genuine = [score for score, same in rows if same]
    impostors = [score for score, same in rows if not same]
    assume(genuine and impostors)
    return genuine, impostors


@settings(max_examples=100)
@given(ROWS, FARS)
def test_tar_is_the_largest_attainable_without_exceeding_far(
    rows: list[tuple[float, bool]], far: float
) -> None:
    genuine, impostors = split(rows)
    thresholds = [*genuine, *impostors, math.inf]
    best = Fraction(-1)
    for t in thresholds:
        if sum(s >= t for s in impostors) / len(impostors) <= far:
            best = max(best, Fraction(sum(s >= t for s in genuine), len(genuine)))
    point = tar_at_far(roc(*zip(*rows, strict=True)), far)
    assert point.tar == float(best)
    assert point.achieved_far <= far
    assert point.impostors == len(impostors)
    assert np.mean(np.array(impostors) >= point.threshold) == point.achieved_far
    assert np.mean(np.array(genuine) >= point.threshold) == point.tar


@settings(max_examples=100)
@given(ROWS)
def test_auc_counts_ties_half_and_agrees_with_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    genuine, impostors = split(rows)
    wins = sum((g > i) + (g == i) / 2 for g in genuine for i in impostors)
    scores, same = zip(*rows, strict=True)
    area = auc(roc(scores, same))
    assert area == pytest.approx(wins / len(genuine) / len(impostors), abs=1e-12)
    assert area == pytest.approx(roc_auc_score(same, scores), abs=1e-12)


@settings(max_examples=100)
@given(ROWS)
def test_roc_has_every_distinct_score_with_its_counts(rows: list[tuple[float, bool]]) -> None:
    genuine, impostors = split(rows)
    curve = roc(*zip(*rows, strict=True))
    thresholds = [math.inf, *sorted({score for score, _ in rows}, reverse=True)]
    assert curve.thresholds.tolist() == thresholds
    assert curve.accepted_impostors.tolist() == [sum(s >= t for s in impostors) for t in thresholds]
    assert curve.accepted_genuine.tolist() == [sum(s >= t for s in genuine) for t in thresholds]
    assert curve.accepted_impostors.dtype == curve.accepted_genuine.dtype == np.int64


@pytest.mark.parametrize("digits", [1, 2, 12])
def test_counts_and_area_of_many_scores_are_exact(digits: int) -> None:
    random = np.random.default_rng(digits)
    same = random.random(20_000) < 0.3
    scores = np.round(random.normal(size=20_000) + same, digits)
    curve = roc(scores, same)
    genuine, impostors = np.sort(scores[same]), np.sort(scores[~same])
    finite = curve.thresholds[1:]
    assert (curve.accepted_genuine[1:] == len(genuine) - np.searchsorted(genuine, finite)).all()
    assert (curve.accepted_impostors[1:] == len(impostors) - np.searchsorted(impostors, finite)).all()
    below, upto = (np.searchsorted(impostors, genuine, side).sum() for side in ("left", "right"))
    assert auc(curve) == float(Fraction(int(below + upto), 2 * len(genuine) * len(impostors)))


@settings(max_examples=100)
@given(ROWS)
def test_det_has_both_error_rates_at_its_thresholds(rows: list[tuple[float, bool]]) -> None:
    genuine, impostors = split(rows)
    curve = det(*zip(*rows, strict=True))
    assert (np.diff(curve.far) >= 0).all()
    assert (np.diff(curve.frr) <= 0).all()
    for far, frr, threshold in zip(curve.far, curve.frr, curve.thresholds, strict=True):
        assert far == sum(s >= threshold for s in impostors) / len(impostors)
        assert frr == sum(s < threshold for s in genuine) / len(genuine)
    assert curve.frr[-1] == 0


def test_tar_slope_is_the_ratio_of_densities() -> None:
    random = np.random.default_rng(0)
    genuine, impostors = random.normal(1, 1, 200_000), random.normal(0, 1, 200_000)
    curve = roc(np.concatenate([genuine, impostors]), np.arange(400_000) < 200_000)
    for far in (0.01, 0.1, 0.5):
        threshold = norm.isf(far)
        assert tar_slope(curve, far) == pytest.approx(norm.pdf(threshold - 1) / norm.pdf(threshold), rel=0.15)
    few = roc([3, 2, 1, 0], [True, False, True, False])
    assert tar_slope(few, 0.0) == pytest.approx(
        (1 - 0.5) / 0.5
    )  # one impostor more brings half of the genuine


@settings(max_examples=100)
@given(ROWS)
def test_eer_is_where_the_roc_crosses_the_diagonal(rows: list[tuple[float, bool]]) -> None:
    genuine, impostors = split(rows)
    points = [(Fraction(0), Fraction(1))]
    for t in sorted({*genuine, *impostors}, reverse=True):
        far = Fraction(sum(s >= t for s in impostors), len(impostors))
        points.append((far, Fraction(sum(s < t for s in genuine), len(genuine))))
    rate = eer(roc(*zip(*rows, strict=True)))
    for (far0, frr0), (far1, frr1) in pairwise(points):
        if far0 < frr0 and far1 >= frr1:
            share = (frr0 - far0) / ((frr0 - far0) + (far1 - frr1))
            assert rate == pytest.approx(float(far0 + share * (far1 - far0)))
            return
    raise AssertionError("no crossing")


def test_known_values() -> None:
    perfect = roc([3, 2, 1, 0], [True, True, False, False])
    assert (auc(perfect), eer(perfect), tar_at_far(perfect, 0.0).tar) == (1, 0, 1)
    constant = roc([1.0] * 10, [True, False] * 5)
    assert (auc(constant), eer(constant)) == (0.5, 0.5)
    assert tar_at_far(constant, 0.5).tar == 0  # accepting one accepts all
    inverted = roc([0, 1], [True, False])
    assert (auc(inverted), eer(inverted)) == (0, 1)


def test_tar_is_neither_interpolated_nor_at_the_nearest_far() -> None:
    scores, same = [4, 3, 2, 1, 0], [False, True, False, True, False]
    point = tar_at_far(roc(scores, same), 0.33)  # one impostor of three is 0.3333…: too many
    assert (point.tar, point.achieved_far) == (0, 0)
    assert tar_at_far(roc(scores, same), 1 / 3).tar == 0.5


def test_one_kind_of_pair_has_no_roc() -> None:
    with pytest.raises(DataError, match="none are of different people"):
        roc([1, 2], [True, True])
    with pytest.raises(DataError, match="none are of the same people"):
        roc([1, 2], [False, False])
    with pytest.raises(DataError, match="between 0 and 1"):
        tar_at_far(roc([1, 2], [True, False]), 1.5)
