"""Accuracy of pairs by k-fold cross-validation with exact thresholds, as LFW, FGLFW and YTF are scored.

Two images count as the same person where score ≥ threshold, everywhere.
Source of the protocol: Huang et al. 2007, Labeled Faces in the Wild, View 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.metrics.statistics import standard_error, student_interval

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Fold:
    """One held-out fold.

    Attributes:
        accuracy: share of its pairs that are decided rightly, in [0, 1].
        threshold: chosen on the other folds.
        pairs: how many pairs the fold has.
    """

    accuracy: float
    threshold: float
    pairs: int


@dataclass(frozen=True)
class KFold:
    """Accuracy over k folds.

    Attributes:
        folds: in increasing order of fold number.
        accuracy: mean over folds, in [0, 1].
        standard_error: std(ddof=1) / √k over folds.
        confidence_interval: 95 %, Student's t over folds, cut to [0, 1].
    """

    folds: tuple[Fold, ...]
    accuracy: float
    standard_error: float
    confidence_interval: tuple[float, float]


def best_threshold(scores: npt.ArrayLike, same: npt.ArrayLike) -> float:
    """The threshold with the most right decisions.

    Candidates are exact: midpoints between neighbouring distinct scores, one just below the lowest and one
    just above the highest (the neighbouring floats, so that they draw no mean further than the scores reach).
    The mean of all candidates that tie for the best is returned. What this implies: where the tied candidates
    are neighbours, every point between them is as good, and the mean is the middle of that plateau; where
    worse candidates lie between them, the mean may fall among those and be right slightly less often on the
    training pairs. It is kept so because it is the rule of the field's reference scripts, favours no end of
    the scale and never looks at the held-out pairs.

    Args:
        scores: (N,) of pairs, higher for more alike.
        same: (N,) booleans, whether each pair shows one person.

    Raises:
        DataError: no pairs, lengths that differ, or scores that are not finite.

    Example:
        >>> best_threshold([0.1, 0.3, 0.7, 0.9], [False, False, True, True])
        0.5
    """
    candidates, correct = _candidates(*checked_scores(scores, same))
    return float(candidates[correct == correct.max()].mean())


def best_accuracy(scores: npt.ArrayLike, same: npt.ArrayLike) -> float:
    """The accuracy of the threshold that is best on these pairs themselves.

    It is that of one of the tied thresholds, and `best_threshold`, their mean, may be right less often.

    Args:
        scores, same: (N,), as for `best_threshold`.

    Raises:
        DataError: as for `best_threshold`.

    Example:
        >>> best_accuracy([0.1, 0.6, 0.7, 0.9], [False, True, False, True])
        0.75
    """
    values, labels = checked_scores(scores, same)
    return float(_candidates(values, labels)[1].max() / len(values))


def choice_variance(scores: npt.ArrayLike, same: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """What choosing the threshold adds to the variance of an accuracy: half the squared optimism.

    Optimism is the accuracy of the threshold that is best on the pairs themselves, less that of the held-out
    decisions. The first gains by the choice about what the second loses, and both vary by about as much as
    they gain and lose. That half is right was found by simulation (docs/results/coverage.md): resampling
    people and choosing anew, by jackknife or double-or-nothing, gives intervals twice too wide.

    Args:
        scores, same: (N,), as for `best_threshold`.
        right: (N,) whether each pair was decided rightly, by a threshold chosen on other folds.

    Raises:
        DataError: as for `best_threshold`.

    Example:
        >>> choice_variance([0.1, 0.3, 0.7, 0.9], [False, False, True, True], [True, True, True, False])
        0.03125
    """
    optimism = best_accuracy(scores, same) - float(np.asarray(right, dtype=bool).mean())
    return max(0.0, optimism) ** 2 / 2


def _candidates(values: Floats, labels: Bools) -> tuple[Floats, npt.NDArray[np.int64]]:
    """All candidate thresholds, ascending, and the number of right decisions at each."""
    order = np.argsort(values, kind="stable")
    values, labels = values[order], labels[order]
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))  # of each run of equal scores
    below = np.append(0, last + 1)  # pairs rejected at each candidate …
    same_below = np.append(0, np.cumsum(labels)[last])  # … and those of them that are the same person
    correct = (below - same_below) + (labels.sum() - same_below)
    return _between(values[last]), correct


def _between(distinct: Floats) -> Floats:
    """Candidate thresholds below, between and above ascending `distinct` scores; (M,) → (M + 1,)."""
    low, high = distinct[:-1], distinct[1:]
    middle = low + (high - low) / 2
    # neighbouring floats have no midpoint: "≥ high" decides alike
    middle = np.where(middle > low, middle, high)
    return np.concatenate(
        [[np.nextafter(distinct[0], -np.inf)], middle, [np.nextafter(distinct[-1], np.inf)]]
    )


def accuracy_at(scores: npt.ArrayLike, same: npt.ArrayLike, threshold: float) -> float:
    """The share of pairs that are decided rightly when score ≥ `threshold` means the same person.

    Args:
        scores, same: (N,), as for `best_threshold`.

    Raises:
        DataError: as for `best_threshold`.

    Example:
        >>> accuracy_at([0.1, 0.6, 0.7, 0.9], [False, False, True, True], threshold=0.5)
        0.75
    """
    values, labels = checked_scores(scores, same)
    return float(((values >= threshold) == labels).mean())


def kfold_accuracy(scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike) -> KFold:
    """Choose a threshold on all folds but one, count right decisions on that one; for every fold.

    Args:
        scores: (N,), or (K, N) where row f scores all pairs by whatever was fitted without the f-th fold
            (PCA, say): a transformation fitted on held-out pairs would leak.
        same: (N,) booleans.
        folds: (N,) integers, K ≥ 2 distinct ones.

    Raises:
        DataError: fewer than two folds, lengths that differ, or scores that are not finite.

    Example:
        >>> found = kfold_accuracy([0.9, 0.1, 0.8, 0.2], [True, False, True, False], [0, 0, 1, 1])
        >>> found.accuracy, found.standard_error, found.folds[0].threshold
        (1.0, 0.0, 0.5)
    """
    labels, fold_of = np.asarray(same, dtype=bool), np.asarray(folds)
    numbers = np.unique(fold_of)
    if len(numbers) < 2:
        raise DataError(f"k-fold accuracy needs pairs in at least two folds, not {len(numbers)}")
    by_fold = np.broadcast_to(np.asarray(scores, dtype=np.float64), (len(numbers), len(labels)))
    results = []
    for number, values in zip(numbers, by_fold, strict=True):
        held_out = fold_of == number
        threshold = best_threshold(values[~held_out], labels[~held_out])
        accuracy = accuracy_at(values[held_out], labels[held_out], threshold)
        results.append(Fold(accuracy, threshold, int(held_out.sum())))
    accuracies = [fold.accuracy for fold in results]
    low, high = student_interval(accuracies)
    return KFold(
        tuple(results),
        float(np.mean(accuracies)),
        standard_error(accuracies),
        (max(low, 0.0), min(high, 1.0)),
    )


def checked_scores(scores: npt.ArrayLike, same: npt.ArrayLike) -> tuple[Floats, Bools]:
    """`scores` and `same` as arrays of float64 and of booleans, both (N,).

    Raises:
        DataError: no pairs, lengths that differ, or scores that are not finite.
    """
    values, labels = np.asarray(scores, dtype=np.float64), np.asarray(same, dtype=bool)
    if values.ndim != 1 or values.shape != labels.shape:
        raise DataError(f"scores of shape {values.shape} do not fit labels of shape {labels.shape}")
    if not len(values):
        raise DataError("no pairs to score")
    if not np.isfinite(values).all():
        raise DataError(
            f"{int((~np.isfinite(values)).sum())} scores are not finite; extract the embeddings again"
        )
    return values, labels
