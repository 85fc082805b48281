"""k-fold accuracy and its thresholds, against loops written from the definition."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsface.errors import DataError
from nsface.metrics.verification import accuracy_at, best_threshold, choice_variance, kfold_accuracy

# Quarters between −1 and 1: midpoints are exact and ties abound.
SCORES = st.integers(-4, 4).map(lambda n: n / 4)
PAIRS = st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=30)


def oracle_threshold(pairs: list[tuple[float, bool]]) -> tuple[float, list[float]]:
    """Try every candidate on every pair; the mean of the best, and the best."""
    distinct = sorted({score for score, _ in pairs})
    candidates = [math.nextafter(distinct[0], -math.inf)]
    candidates += [(a + b) / 2 for a, b in pairwise(distinct)]
    candidates += [math.nextafter(distinct[-1], math.inf)]
    right = [sum((score >= t) == same for score, same in pairs) for t in candidates]
    best = [t for t, r in zip(candidates, right, strict=True) if r == max(right)]
    return float(sum(map(Fraction, best)) / len(best)), best


@settings(max_examples=100)
@given(PAIRS)
def test_threshold_is_the_mean_of_the_best_candidates(pairs: list[tuple[float, bool]]) -> None:
    scores, same = zip(*pairs, strict=True)
    expected, _ = oracle_threshold(pairs)
    assert best_threshold(scores, same) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100)
@given(PAIRS)
def test_one_best_candidate_is_returned_itself_and_neighbours_lose_nothing(
    pairs: list[tuple[float, bool]],
) -> None:
    scores, same = zip(*pairs, strict=True)
    _, best = oracle_threshold(pairs)
    neighbours = sum(best[0] < score < best[-1] for score in set(scores)) == len(best) - 1
    if neighbours and len(set(scores)) > 1:
        threshold = best_threshold(scores, same)
        assert accuracy_at(scores, same, threshold) == accuracy_at(scores, same, best[0])


def test_tied_candidates_with_worse_ones_between_average_to_a_worse_one() -> None:
    # Best (4 of 6) at 0.5 and 4.5 only; their mean, 2.5, decides 2 of 6. Documented in best_threshold.
    scores, same = [0, 1, 2, 3, 4, 5], [False, True, True, False, False, True]
    assert best_threshold(scores, same) == pytest.approx(2.5)
    assert accuracy_at(scores, same, 0.5) == accuracy_at(scores, same, 4.5) == 4 / 6
    assert accuracy_at(scores, same, 2.5) == 2 / 6


def test_score_equal_to_the_threshold_counts_as_same() -> None:
    assert accuracy_at([0.5, 0.5], [True, False], 0.5) == 0.5
    assert accuracy_at([0.5], [True], 0.5) == 1


def test_neighbouring_floats_are_still_separated() -> None:
    low = 0.1
    high = math.nextafter(low, 1)
    threshold = best_threshold([low, high], [False, True])
    assert accuracy_at([low, high], [False, True], threshold) == 1


@settings(max_examples=100)
@given(st.lists(st.tuples(SCORES, st.booleans(), st.integers(0, 3)), min_size=2, max_size=40))
def test_kfold_matches_loops(rows: list[tuple[float, bool, int]]) -> None:
    numbers = sorted({fold for _, _, fold in rows})
    scores, same, folds = zip(*rows, strict=True)
    if len(numbers) < 2:
        with pytest.raises(DataError, match="at least two folds"):
            kfold_accuracy(scores, same, folds)
        return
    accuracies = []
    for number in numbers:
        threshold, _ = oracle_threshold([(s, y) for s, y, f in rows if f != number])
        held_out = [(s >= threshold) == y for s, y, f in rows if f == number]
        accuracies.append(sum(held_out) / len(held_out))
    result = kfold_accuracy(scores, same, folds)
    mean = sum(accuracies) / len(accuracies)
    variance = sum((a - mean) ** 2 for a in accuracies) / (len(accuracies) - 1)
    # A held-out score that equals the mean of several tied candidates may round to either side of it.
    if all(abs(f.threshold * 48 - round(f.threshold * 48)) > 1e-9 for f in result.folds):
        assert [fold.accuracy for fold in result.folds] == pytest.approx(accuracies)
        assert result.accuracy == pytest.approx(mean)
        assert result.standard_error == pytest.approx(math.sqrt(variance / len(accuracies)))
    assert [fold.pairs for fold in result.folds] == [folds.count(number) for number in numbers]


def test_standard_error_is_the_samples_not_the_populations() -> None:
    scores = [1, 0, 1, 0, 1, 0, 0, 1]
    same = [True, False, True, False, True, False, True, False]
    result = kfold_accuracy(scores, same, [0, 0, 1, 1, 2, 2, 3, 3])
    accuracies = np.array([fold.accuracy for fold in result.folds])
    assert accuracies.tolist() == [1, 1, 1, 0]
    assert result.standard_error == pytest.approx(0.5 / 2)  # std(ddof=1) is 0.5; the population's is 0.433
    assert result.confidence_interval == (0.0, 1.0)


def test_threshold_is_not_picked_on_the_held_out_fold() -> None:
    # Fold 0 alone would be separable at 0.3; the other folds put the threshold at 0.7.
    scores = [0.2, 0.4, 0.6, 0.8, 0.6, 0.8]
    same = [False, True] * 3
    result = kfold_accuracy(scores, same, [0, 0, 1, 1, 2, 2])
    assert result.folds[0].threshold == pytest.approx(0.7)
    assert result.folds[0].accuracy == 0.5


@pytest.mark.parametrize("value", [0.0, 1.0, 0.123456789, -3e-9])
def test_constant_scores_give_half(value: float) -> None:
    same = np.tile([True, False], 60)
    result = kfold_accuracy(np.full(120, value), same, np.repeat(np.arange(6), 20))
    assert result.accuracy == 0.5
    assert result.standard_error == 0


def test_rows_of_scores_belong_to_folds() -> None:
    same, folds = [True, False, True, False], [0, 0, 1, 1]
    by_fold = [[5, 4, 1, 0], [1, 0, 0, 1]]  # the first fold's own model, then the second's
    result = kfold_accuracy(by_fold, same, folds)
    assert [fold.accuracy for fold in result.folds] == [0.5, 0.0]


@pytest.mark.parametrize(
    ("scores", "same", "message"),
    [([], [], "no pairs"), ([1.0], [True, False], "do not fit"), ([np.nan, 1], [True, False], "not finite")],
)
def test_bad_input_is_refused(scores: list[float], same: list[bool], message: str) -> None:
    with pytest.raises(DataError, match=message):
        best_threshold(scores, same)


@settings(max_examples=50)
@given(PAIRS, st.integers(0, 30))
def test_choice_of_the_threshold_adds_half_the_squared_optimism(
    pairs: list[tuple[float, bool]], lost: int
) -> None:
    scores, same = zip(*pairs, strict=True)
    threshold = oracle_threshold(pairs)[1][0]
    best = sum((score >= threshold) == label for score, label in pairs)
    right = np.arange(len(pairs)) < max(0, best - lost)
    expected = Fraction(int(best - right.sum()), len(pairs)) ** 2 / 2
    assert choice_variance(scores, same, right) == pytest.approx(float(expected), abs=1e-15)
    assert choice_variance(scores, same, [True] * len(pairs)) == 0
