"""The ROC and what is read off it: AUC, EER, TAR at an attainable FAR; and the DET curve.

FAR is the share of impostors (different people) with score ≥ threshold, TAR that of genuine pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.metrics.verification import checked_scores

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Roc:
    """Every attainable operating point, from "accept nothing" to "accept everything".

    Attributes:
        thresholds: (M + 1,) descending: +∞, then the M distinct scores.
        accepted_impostors, accepted_genuine: (M + 1,) counts of scores ≥ threshold.
    """

    thresholds: Floats
    accepted_impostors: npt.NDArray[np.int64]
    accepted_genuine: npt.NDArray[np.int64]

    @property
    def far(self) -> Floats:
        """(M + 1,) false accept rates, ascending from 0 to 1."""
        return np.asarray(self.accepted_impostors / self.accepted_impostors[-1])

    @property
    def tar(self) -> Floats:
        """(M + 1,) true accept rates, ascending from 0 to 1."""
        return np.asarray(self.accepted_genuine / self.accepted_genuine[-1])


@dataclass(frozen=True)
class TarAtFar:
    """The largest attainable TAR whose FAR does not exceed `far`.

    Attributes:
        far: the FAR that was asked for, in [0, 1].
        tar: share of the genuine pairs with score ≥ `threshold`.
        achieved_far: share of the impostors with score ≥ `threshold`.
        threshold: the lowest one that attains `tar`.
        impostors: how many impostors there are.
    """

    far: float
    tar: float
    achieved_far: float
    threshold: float
    impostors: int


@dataclass(frozen=True)
class Det:
    """The detection error trade-off.

    Attributes:
        far, frr: (M,) false accept rates, ascending, and false reject rates.
        thresholds: (M,) descending.
    """

    far: Floats
    frr: Floats
    thresholds: Floats


def roc(scores: npt.ArrayLike, same: npt.ArrayLike) -> Roc:
    """All operating points of scored pairs, by scikit-learn's `roc_curve`, in O(N log N).

    Its rates are counts divided by the last count, and rounding takes the division back exactly.

    Args:
        scores: (N,) of pairs, higher for more alike.
        same: (N,) booleans, whether each pair shows one person.

    Raises:
        DataError: no genuine pair or no impostor, lengths that differ, scores that are not finite.

    Example:
        >>> curve = roc([0.9, 0.6, 0.7, 0.1], [True, True, False, False])
        >>> curve.thresholds.tolist()
        [inf, 0.9, 0.7, 0.6, 0.1]
        >>> curve.tar.tolist(), curve.far.tolist()
        ([0.0, 0.5, 0.5, 1.0, 1.0], [0.0, 0.0, 0.5, 0.5, 1.0])
    """
    from sklearn.metrics import roc_curve  # here, because it takes half a second

    values, labels = _checked(scores, same)
    far, tar, thresholds = roc_curve(labels, values, drop_intermediate=False)
    genuine = int(labels.sum())
    return Roc(
        thresholds,
        np.rint(far * (len(labels) - genuine)).astype(np.int64),
        np.rint(tar * genuine).astype(np.int64),
    )


def det(scores: npt.ArrayLike, same: npt.ArrayLike) -> Det:
    """False reject rates against false accept rates, by scikit-learn's `det_curve`.

    The curve goes from the lowest threshold that accepts no impostor to the highest that refuses no genuine
    pair.

    Args:
        scores, same: (N,), as for `roc`.

    Raises:
        DataError: as for `roc`.
    """
    from sklearn.metrics import det_curve

    values, labels = _checked(scores, same)
    far, frr, thresholds = det_curve(labels, values)
    return Det(far[::-1], frr[::-1], thresholds[::-1])


def _checked(scores: npt.ArrayLike, same: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.bool_]]:
    values, labels = checked_scores(scores, same)
    if labels.all() or not labels.any():
        missing = "different" if labels.all() else "the same"
        raise DataError(
            f"an ROC needs pairs of the same and of different people; none are of {missing} people"
        )
    return values, labels


def auc(curve: Roc) -> float:
    """Area under the ROC: the chance that a genuine pair outscores an impostor, a tie counting half.

    scikit-learn's `auc` of the counts, not of the rates: its sum is then of whole and half numbers, which
    are exact, and the one division rounds once.

    Returns:
        A fraction in [0, 1].

    Example:
        >>> auc(roc([0.9, 0.6, 0.7, 0.1], [True, True, False, False]))
        0.75
    """
    from sklearn.metrics import auc as area

    impostors, genuine = (c.astype(np.float64) for c in (curve.accepted_impostors, curve.accepted_genuine))
    return float(area(impostors, genuine) / (impostors[-1] * genuine[-1]))


def eer(curve: Roc) -> float:
    """Equal error rate: where FAR = 1 − TAR on the ROC, drawn with straight lines between its points.

    A line between two points is what choosing between their thresholds at random attains, so the value is
    unique.

    Returns:
        A fraction in [0, 1].

    Example:
        >>> eer(roc([0.9, 0.6, 0.7, 0.1], [True, True, False, False]))
        0.5
    """
    far, frr = curve.far, 1 - curve.tar
    after = int(np.argmax(far >= frr))  # from (0, 1) to (1, 0): there is always one, and never the first
    before = after - 1
    rise, fall = far[after] - far[before], frr[before] - frr[after]
    share = (frr[before] - far[before]) / (rise + fall)
    return float(far[before] + share * rise)


def tar_at_far(curve: Roc, far: float) -> TarAtFar:
    """The largest attainable TAR with achieved FAR ≤ `far` (in [0, 1]). Nothing is interpolated.

    The threshold is the lowest score that attains it; above every score when even one accepted impostor is
    too many.

    Raises:
        DataError: `far` is outside [0, 1].

    Example:
        >>> curve = roc([0.9, 0.6, 0.7, 0.1], [True, True, False, False])
        >>> point = tar_at_far(curve, 0.4)
        >>> point.tar, point.achieved_far, point.threshold
        (0.5, 0.0, 0.9)
    """
    if not 0 <= far <= 1:
        raise DataError(f"a false accept rate lies between 0 and 1; {far} does not")
    achieved = curve.far
    point = int(np.searchsorted(achieved, far, side="right")) - 1
    threshold = curve.thresholds[point] if point else np.nextafter(curve.thresholds[1], np.inf)
    impostors = int(curve.accepted_impostors[-1])
    return TarAtFar(far, float(curve.tar[point]), float(achieved[point]), float(threshold), impostors)


def tar_slope(curve: Roc, far: float) -> float:
    """How much TAR grows by FAR around the operating point of `tar_at_far`: dTAR / dFAR.

    Taken over one standard deviation of the number k of accepted impostors either way, √k, at least 1: so far
    would another sample of impostors move the threshold.

    Args:
        far: in [0, 1].
    """
    impostors = int(curve.accepted_impostors[-1])
    accepted = round(tar_at_far(curve, far).achieved_far * impostors)
    step = max(1, round(accepted**0.5))
    ends = [min(max(accepted + change, 0), impostors) for change in (-step, step)]
    low, high = np.searchsorted(curve.accepted_impostors, ends, side="right") - 1
    tar = curve.tar
    return float((tar[high] - tar[low]) * impostors / (ends[1] - ends[0]))
