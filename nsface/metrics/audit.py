"""What less careful evaluations print of the same scores: each rule as public toolkits have it.

Nothing here is to be reported as a result. Each function is beside the careful rule in
`nsface.metrics.verification`, `nsface.metrics.roc` or `nsface.metrics.identification`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsface.metrics.verification import best_accuracy

Floats = npt.NDArray[np.float64]

GRID_STEPS = 400  # thresholds 0, 0.01, … 3.99 on squared distances of unit vectors, which reach 4
GRID_STEP = 0.01


def best_on_each_fold(scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike) -> Floats:
    """The accuracy on each fold at the threshold that is best on this fold itself.

    Args:
        scores, same, folds: as for `nsface.metrics.verification.kfold_accuracy`.

    Returns:
        (K,) fractions; none is below that of a threshold chosen elsewhere.

    Example:
        >>> best_on_each_fold([0.9, 0.1, 0.8, 0.85], [True, False, True, False], [0, 0, 1, 1]).tolist()
        [1.0, 0.5]
    """
    labels, fold_of = np.asarray(same, dtype=bool), np.asarray(folds)
    numbers = np.unique(fold_of)
    by_fold = np.broadcast_to(np.asarray(scores, dtype=np.float64), (len(numbers), len(labels)))
    held_out = [fold_of == number for number in numbers]
    return np.array(
        [best_accuracy(values[here], labels[here]) for values, here in zip(by_fold, held_out, strict=True)]
    )


def grid_accuracy(cosines: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike) -> Floats:
    """The accuracy on each fold at one of 400 thresholds, the first that is best on the other folds.

    The thresholds are 0 to 3.99 in steps of 0.01 on the squared distance of the normalised embeddings,
    2 − 2 cos, and "same" is a distance below the threshold: so do facenet's `evaluate` and InsightFace's
    `verification.py`. It is held out, but coarse where scores lie close together.

    Args:
        cosines: (N,), or (K, N) as for `nsface.metrics.verification.kfold_accuracy`.
        same, folds: (N,).

    Returns:
        (K,) fractions.

    Example:
        >>> grid_accuracy([0.9, 0.1, 0.8, 0.2], [True, False, True, False], [0, 0, 1, 1]).tolist()
        [1.0, 0.5]
    """
    labels, fold_of = np.asarray(same, dtype=bool), np.asarray(folds)
    numbers = np.unique(fold_of)
    by_fold = np.broadcast_to(np.asarray(cosines, dtype=np.float64), (len(numbers), len(labels)))
    grid = np.arange(GRID_STEPS) * GRID_STEP
    accuracies = []
    for number, values in zip(numbers, by_fold, strict=True):
        distance, held_out = 2 - 2 * values, fold_of == number
        right = (distance[None, :] < grid[:, None]) == labels
        chosen = int(np.argmax(right[:, ~held_out].sum(axis=1)))
        accuracies.append(right[chosen, held_out].mean())
    return np.array(accuracies)


def interpolated_rate(far: npt.ArrayLike, rate: npt.ArrayLike, wanted: float) -> float:
    """`rate` at a FAR by straight lines between the points of its curve: `np.interp(wanted, far, rate)`.

    No threshold attains it between two points.

    Args:
        far, rate: (M,), both ascending.

    Example:
        >>> interpolated_rate([0.0, 0.0, 0.5, 1.0], [0.0, 0.4, 0.8, 1.0], 0.25)
        0.6000000000000001
    """
    return float(np.interp(wanted, np.asarray(far), np.asarray(rate)))


def nearest_rate(far: npt.ArrayLike, rate: npt.ArrayLike, wanted: float) -> tuple[float, float]:
    """The highest `rate` at the FAR nearest to `wanted`, below or above, and that FAR.

    Of two FARs that are equally near, the higher one. So do scripts for IJB that search |FAR − wanted|.

    Args:
        far, rate: (M,), both ascending.

    Example:
        >>> nearest_rate([0.0, 0.0, 0.5, 1.0], [0.0, 0.4, 0.8, 1.0], 0.3)
        (0.8, 0.5)
    """
    fars, rates = np.asarray(far, dtype=np.float64), np.asarray(rate, dtype=np.float64)
    place = len(fars) - 1 - int(np.argmin(np.abs(fars - wanted)[::-1]))
    return float(rates[place]), float(fars[place])


def quantile_rate(genuine: npt.ArrayLike, impostors: npt.ArrayLike, wanted: float) -> tuple[float, float]:
    """The share of `genuine` scores at or above the quantile 1 − `wanted` of `impostors`, and its FAR.

    `np.quantile` draws a line between two scores, and scores equal to its value are let through, so that the
    FAR may exceed the wanted one.

    Args:
        genuine: (P,), −∞ for what counts as never accepted.
        impostors: (I,).

    Example:
        >>> quantile_rate([0.9, 0.8, 0.4], [0.5, 0.5, 0.3, 0.1], 0.25)
        (0.6666666666666666, 0.5)
    """
    scores = np.asarray(impostors, dtype=np.float64)
    threshold = np.quantile(scores, 1 - wanted)
    return float((np.asarray(genuine) >= threshold).mean()), float((scores >= threshold).mean())
