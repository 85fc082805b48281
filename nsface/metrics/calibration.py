"""Calibration: whether a classifier is right as often as it says.

Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks (ICML 2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError


@dataclass(frozen=True)
class Calibration:
    """Reliability in B bins of equal width over [0, 1].

    Attributes:
        error: expected calibration error Σ (n_b / N) |accuracy_b − confidence_b|, in [0, 1].
        count: (B,) samples in each bin; bin b holds confidences in (b/B, (b+1)/B], the first also 0.
        confidence, accuracy: (B,) means of each bin, NaN where it is empty.
    """

    error: float
    count: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]


def calibration(confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = 15) -> Calibration:
    """Compare `confidence` (N,), the predicted class's probability, with `correct` (N,) booleans.

    Raises:
        DataError: nothing to compare, lengths that differ, or confidences outside [0, 1].
    """
    said, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=bool)
    if said.ndim != 1 or said.shape != right.shape or not len(said):
        raise DataError(f"confidences of shape {said.shape} do not fit answers of shape {right.shape}")
    if not ((said >= 0) & (said <= 1)).all():
        raise DataError("confidences lie between 0 and 1; give probabilities, not logits")
    place = np.clip(np.ceil(said * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, said, bins) / count
        accuracy = np.bincount(place, right, bins) / count
    error = float(np.nansum(count * np.abs(accuracy - mean)) / len(said))
    return Calibration(error, count, mean, accuracy)
