"""Calibration: whether a classifier is right as often as it says, and scores made into probabilities.

Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks (ICML 2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Reliability in B bins of equal width over [0, 1].

    Attributes:
        error: expected calibration error Σ (n_b / N) |accuracy_b − confidence_b|, in [0, 1].
        count: (B,) samples in each bin; bin b holds confidences in (b/B, (b+1)/B], the first also 0. An
            edge is the float nearest to b/B, and a confidence equal to it belongs to the bin below.
        confidence, accuracy: (B,) means of each bin, NaN where it is empty.
    """

    error: float
    count: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]


def calibration(confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = 15) -> Calibration:
    """Compare `confidence` (N,), the predicted class's probability, with `correct` (N,) booleans.

    The curve is that of scikit-learn's `calibration_curve`, to the last bit, wherever no confidence lies on
    an edge; there it is not used because its edges are off: `linspace` makes 3 · (1/10) greater than 3/10.

    Args:
        confidence: (N,) in [0, 1].
        correct: (N,) booleans.
        bins: B, at least 1.

    Raises:
        DataError: nothing to compare, lengths that differ, confidences outside [0, 1], or no bins.

    Example:
        >>> round(calibration([0.9, 0.9, 0.6, 0.6], [True, True, True, False]).error, 4)
        0.1
    """
    said, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=bool)
    if said.ndim != 1 or said.shape != right.shape or not len(said):
        raise DataError(f"confidences of shape {said.shape} do not fit answers of shape {right.shape}")
    if not ((said >= 0) & (said <= 1)).all():
        raise DataError("confidences lie between 0 and 1; give probabilities, not logits")
    if bins < 1:
        raise DataError(f"a calibration needs at least one bin, not {bins}")
    edges = np.arange(1, bins) / bins  # each rounded once, as b/B is wherever anybody writes it
    place = np.searchsorted(edges, said, side="left")
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, said, bins) / count
        accuracy = np.bincount(place, right, bins) / count
    error = float(np.nansum(count * np.abs(accuracy - mean)) / len(said))
    return Calibration(error, count, mean, accuracy)


@dataclass(frozen=True)
class Platt:
    """Probability that a pair is of one person, from its score s: 1 / (1 + exp(−(slope · s + offset)))."""

    slope: float
    offset: float

    def probability(self, scores: npt.ArrayLike) -> Floats:
        """(N,) probabilities of (N,) scores."""
        logits = self.slope * np.asarray(scores, dtype=np.float64) + self.offset
        return np.asarray(np.exp(-np.logaddexp(0, -logits)))


def platt(scores: npt.ArrayLike, same: npt.ArrayLike) -> Platt:
    """Fit a logistic curve to (`scores`, `same`), both (N,): Platt scaling.

    Targets are (N₊ + 1) / (N₊ + 2) and 1 / (N₋ + 2) instead of 1 and 0, so that separable scores have a
    finite answer (Platt 1999; Lin, Lin, Weng 2007, https://doi.org/10.1007/s10994-007-5018-6). By Newton's
    method: the function is convex in two variables.

    Raises:
        DataError: no pairs, or of one kind only.

    Example:
        >>> fitted = platt([0.1, 0.2, 0.8, 0.9], [False, False, True, True])
        >>> fitted.probability([0.5]).round(3).tolist()
        [0.5]
    """
    values, labels = np.asarray(scores, dtype=np.float64), np.asarray(same, dtype=bool)
    if values.shape != labels.shape or labels.all() or not labels.any():
        raise DataError("a calibration needs scores of pairs of the same and of different people")
    positive = int(labels.sum())
    target = np.where(labels, (positive + 1) / (positive + 2), 1 / (len(labels) - positive + 2))
    centre, spread = values.mean(), values.std() or 1.0
    design = np.column_stack([(values - centre) / spread, np.ones(len(values))])
    weights = np.array([0.0, np.log(target.mean() / (1 - target.mean()))])
    loss = _cross_entropy(design @ weights, target)
    for _ in range(100):
        probability = Platt(1.0, 0.0).probability(design @ weights)
        gradient = design.T @ (probability - target)
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design
        step = np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
        while (after := _cross_entropy(design @ (weights - step), target)) > loss and np.abs(
            step
        ).max() > 1e-12:
            step /= 2
        weights, loss = weights - step, min(after, loss)
        if np.abs(step).max() < 1e-10:
            break
    slope = float(weights[0] / spread)
    return Platt(slope, float(weights[1] - slope * centre))


def _cross_entropy(logits: Floats, target: Floats) -> float:
    return float((np.logaddexp(0, logits) - target * logits).sum())
