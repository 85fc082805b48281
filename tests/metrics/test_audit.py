"""Careless evaluations, against the loops of the scripts that have them, and never below careful ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_curve

from nsface.metrics.audit import (
    best_on_each_fold,
    grid_accuracy,
    interpolated_rate,
    nearest_rate,
    quantile_rate,
)
from nsface.metrics.identification import OpenSet, dir_at_far, dir_curve
from nsface.metrics.roc import roc, tar_at_far
from nsface.metrics.search import Found
from nsface.metrics.verification import best_accuracy, best_threshold, kfold_accuracy

FOLDS = 4


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with ties, labels of both kinds, and four folds."""
    count = draw(st.integers(8, 40))
    steps = arrays(np.int64, count, elements=st.integers(-6, 6))
    same = draw(arrays(np.bool_, count))
    same[:2] = [True, False]
    return draw(steps) / 8, same, np.arange(count) % FOLDS


def by_trying_all(scores: np.ndarray, same: np.ndarray) -> float:
    """The best accuracy of any threshold: each score, and one above all."""
    return max(float(((scores >= t) == same).mean()) for t in [*scores, np.inf])


@given(scored())
def test_the_best_threshold_on_the_test_pairs_is_found(
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scores, same, folds = pairs
    assert best_accuracy(scores, same) == pytest.approx(by_trying_all(scores, same))
    expected = [by_trying_all(scores[folds == f], same[folds == f]) for f in range(FOLDS)]
    assert best_on_each_fold(scores, same, folds) == pytest.approx(expected)


@given(scored())
def test_choosing_on_the_test_pairs_never_prints_less(
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scores, same, folds = pairs
    careful = kfold_accuracy(scores, same, folds)
    by_fold = best_on_each_fold(scores, same, folds)
    assert all(best >= fold.accuracy for best, fold in zip(by_fold, careful.folds, strict=True))
    sizes = np.bincount(folds)
    together = best_accuracy(scores, same)
    assert np.average(by_fold, weights=sizes) >= together - 1e-12, "each fold has a threshold of its own"
    assert together >= np.mean((scores >= best_threshold(scores, same)) == same)


def test_each_fold_has_its_own_scores_where_a_transform_was_fitted() -> None:
    random = np.random.default_rng(0)
    scores, same, folds = random.normal(size=(FOLDS, 40)), random.random(40) < 0.5, np.arange(40) % FOLDS
    for rule in (best_on_each_fold, grid_accuracy):
        together = rule(np.tanh(scores), same, folds)
        alone = [rule(np.tanh(scores[f]), same, folds)[f] for f in range(FOLDS)]
        assert together.tolist() == alone


def insightface_accuracy(distances: np.ndarray, same: np.ndarray, folds: np.ndarray) -> list[float]:
    """`calculate_roc` of facenet and InsightFace, loop by loop."""
    thresholds = np.arange(0, 4, 0.01)
    accuracies = []
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        acc_train = np.zeros(len(thresholds))
        for place, threshold in enumerate(thresholds):
            acc_train[place] = np.mean(np.less(distances[train], threshold) == same[train])
        best = thresholds[np.argmax(acc_train)]
        accuracies.append(float(np.mean(np.less(distances[test], best) == same[test])))
    return accuracies


@pytest.mark.parametrize("seed", range(5))
def test_the_grid_of_400_is_that_of_the_public_scripts(seed: int) -> None:
    random = np.random.default_rng(seed)
    same, folds = random.random(300) < 0.5, np.arange(300) % 10
    first = random.normal(size=(300, 8))
    second = np.where(same[:, None], first + random.normal(size=(300, 8)), random.normal(size=(300, 8)))
    first, second = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (first, second))
    distances = np.sum(np.square(first - second), axis=1)
    cosines = np.sum(first * second, axis=1)
    assert grid_accuracy(cosines, same, folds).tolist() == pytest.approx(
        insightface_accuracy(distances, same, folds)
    )


def test_the_grid_is_too_coarse_where_scores_lie_close() -> None:
    cosines = np.tile([0.9001, 0.9002], 20)  # distances within one step of 0.01
    same, folds = np.tile([False, True], 20), np.arange(40) // 10
    assert kfold_accuracy(cosines, same, folds).accuracy == 1.0
    assert grid_accuracy(cosines, same, folds).mean() == 0.5


@given(scored(), st.sampled_from([0.01, 0.1, 0.3, 0.5]))
def test_tar_as_scikit_learn_and_numpy_interpolate_it(
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray], far: float
) -> None:
    scores, same, _ = pairs
    curve = roc(scores, same)
    false, true, _ = roc_curve(same, scores)  # drops points on straight lines, which changes no interpolation
    found = interpolated_rate(curve.far, curve.tar, far)
    assert found == pytest.approx(np.interp(far, false, true))
    assert found >= tar_at_far(curve, far).tar - 1e-12


@given(scored(), st.sampled_from([0.01, 0.1, 0.3, 0.5]))
def test_tar_at_the_nearest_far(pairs: tuple[np.ndarray, np.ndarray, np.ndarray], far: float) -> None:
    scores, same, _ = pairs
    curve = roc(scores, same)
    # the search of InsightFace's scripts for IJB, on curves turned round
    false, true = np.flipud(curve.far), np.flipud(curve.tar)
    _, place = min(zip(abs(false - far), range(len(false)), strict=True))
    assert nearest_rate(curve.far, curve.tar, far) == (true[place], false[place])
    assert nearest_rate(curve.far, curve.tar, far)[0] >= tar_at_far(curve, far).tar


@given(scored(), st.sampled_from([0.01, 0.1, 0.3, 0.5]))
def test_the_quantile_of_the_impostors(pairs: tuple[np.ndarray, np.ndarray, np.ndarray], far: float) -> None:
    scores, same, _ = pairs
    threshold = np.percentile(scores[~same], 100 * (1 - far))
    found = quantile_rate(scores[same], scores[~same], far)
    assert found == pytest.approx(((scores[same] >= threshold).mean(), (scores[~same] >= threshold).mean()))


def test_ties_go_over_the_far_at_a_quantile_only() -> None:
    impostors = np.array([0.5, 0.5, 0.5, 0.1])
    open_set = OpenSet(Found(np.array([0.5, 0.9]), np.array([1, 1])), impostors)
    assert quantile_rate(open_set.genuine.score, impostors, 0.25) == (1.0, 0.75)
    careful = dir_at_far(open_set, 0.25)
    assert (careful.dir, careful.achieved_far) == (0.5, 0.0)
    assert interpolated_rate(*dir_curve(open_set), 0.25) == pytest.approx(0.5 + 0.5 / 3)
