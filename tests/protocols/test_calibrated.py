"""Calibration of verification: fitted on the other folds only."""

from __future__ import annotations

import numpy as np
import pytest

from nsface.embeddings import Embeddings
from nsface.errors import DataError
from nsface.metrics.calibration import calibration, platt
from nsface.protocols.calibrated import calibrate
from nsface.protocols.transforms import Transform
from nsface.protocols.trials import Trials
from nsface.protocols.verification import measure, verify


def trials(folds: int = 4, pairs: int = 400, seed: int = 0) -> tuple[Trials, np.ndarray]:
    """Scores whose true probability of "same" is 1 / (1 + exp(−4 score))."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=pairs)
    same = random.random(pairs) < 1 / (1 + np.exp(-4 * scores))
    names = [f"{i}/{i}.jpg" for i in range(pairs)]
    return Trials(names, names[::-1], same, np.arange(pairs) % folds, "list"), scores


def test_each_fold_is_judged_by_a_curve_fitted_on_the_others() -> None:
    listed, scores = trials()
    found = calibrate(measure("x", listed, scores, "cosine"))
    said, right = np.empty(400), np.empty(400, dtype=bool)
    for fold in range(4):
        inside = listed.fold == fold
        fitted = platt(scores[~inside], listed.same[~inside])
        probability = 1 / (1 + np.exp(-(fitted.slope * scores[inside] + fitted.offset)))
        said[inside] = np.maximum(probability, 1 - probability)
        right[inside] = (probability >= 0.5) == listed.same[inside]
    assert found.ece == pytest.approx(calibration(said, right).error)
    assert sum(entry.count for entry in found.bins) == 400
    assert all(entry.count for entry in found.bins)


def test_scores_that_say_how_sure_they_are_have_a_small_error() -> None:
    listed, scores = trials(pairs=20_000)
    assert calibrate(measure("x", listed, scores, "cosine")).ece < 0.01


def test_transforms_are_fitted_without_the_fold_too() -> None:
    random = np.random.default_rng(0)
    people = np.repeat(random.normal(size=(40, 6)), 2, axis=0) + 3
    names = [f"{i // 2}/{i % 2}.jpg" for i in range(80)]
    embeddings = Embeddings(names, (people + random.normal(size=people.shape)).astype(np.float32))
    left = names[::2] * 2
    right = names[1::2] + names[3::2] + names[1:2]
    listed = Trials(left, right, np.arange(80) < 40, np.arange(80) % 40 // 10, "list")
    measured = verify("x", embeddings, listed, transform=Transform(center=True))
    assert measured.by_fold is not None
    assert measured.by_fold.shape == (4, 80)
    np.testing.assert_array_equal(measured.by_fold[listed.fold, np.arange(80)], measured.scores)
    probability = np.empty(80)
    for fold in range(4):
        inside = listed.fold == fold
        row = measured.by_fold[fold]
        probability[inside] = platt(row[~inside], listed.same[~inside]).probability(row[inside])
    right_ = (probability >= 0.5) == listed.same
    expected = calibration(np.maximum(probability, 1 - probability), right_).error
    assert calibrate(measured).ece == pytest.approx(expected)


def test_a_list_without_folds_is_refused() -> None:
    listed, scores = trials(folds=1)
    with pytest.raises(DataError, match="this list has none"):
        calibrate(measure("x", listed, scores, "cosine"))
