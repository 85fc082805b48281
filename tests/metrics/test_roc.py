"""AUC, EER and TAR at FAR, against definitions and scikit-learn."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from nsface.errors import DataError
from nsface.metrics.roc import auc, eer, roc, tar_at_far

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
def test_roc_agrees_with_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    split(rows)
    scores, same = zip(*rows, strict=True)
    curve = roc(scores, same)
    far, tar, thresholds = roc_curve(same, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.far, far)
    np.testing.assert_allclose(curve.tar, tar)
    np.testing.assert_array_equal(curve.thresholds, thresholds)


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
