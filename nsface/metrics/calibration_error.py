"""How well the probabilities that a classifier gives agree with how often it is right."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BINS = 10


def calibration_errors(
    confidence: npt.NDArray[np.floating], correct: npt.NDArray[np.bool_], bins: int = BINS
) -> tuple[float, float]:
    """The expected and the maximum calibration error, ECE and MCE, in `bins` bins of equal width.

    The gap of a bin is |mean confidence − share that is correct| of the samples whose confidence lies in it.
    ECE is the mean gap over all samples, MCE the largest gap of a bin that has samples. Bin k of K is
    ((k − 1)/K, k/K]; a confidence of 0 is in the first one.

    Args:
        confidence: the highest probability of each sample, in [0, 1], of shape (N,).
        correct: whether the class of that probability is the label, of shape (N,).

    Returns:
        ECE and MCE, fractions in [0, 1].

    Raises:
        ValueError: there is no sample, or a confidence is outside [0, 1].

    Source:
        Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI
        2015; Guo et al., On calibration of modern neural networks, ICML 2017 (arXiv 1706.04599).

    Example:
        >>> ece, mce = calibration_errors(np.array([0.95, 0.95, 0.55, 0.55]), np.array([1, 1, 1, 0], bool))
        >>> round(ece, 3), round(mce, 3)
        (0.05, 0.05)
    """
    if not len(confidence):
        raise ValueError("there are no samples")
    if not (confidence.min() >= 0 and confidence.max() <= 1):
        raise ValueError("a confidence is a probability, in [0, 1]")
    confidence = confidence.astype(np.float64)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    gap = np.abs(
        np.bincount(place, confidence, bins) - np.bincount(place, correct.astype(np.float64), bins)
    )  # times the count of the bin
    return float(gap.sum() / len(confidence)), float((gap[count > 0] / count[count > 0]).max())
