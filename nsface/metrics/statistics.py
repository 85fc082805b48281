"""Standard errors, intervals and paired tests.

Everything random takes a seed and repeats to the last bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from nsface.errors import DataError

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]


def standard_error(values: npt.ArrayLike) -> float:
    """Standard error of the mean of k ≥ 2 `values`: std(ddof=1) / √k, not the population's std."""
    sample = np.asarray(values, dtype=np.float64)
    if sample.size < 2:
        raise DataError(f"a standard error needs at least two values, not {sample.size}")
    return float(sample.std(ddof=1) / np.sqrt(sample.size))


def student_interval(values: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    """Student's t interval for the mean of `values` (k ≥ 2): mean ± t(k−1) · standard error.

    For fold accuracies: with ten folds t(9) = 2.262, so ±1.96 standard errors would be too narrow. The
    held-out folds are disjoint in pairs and, in LFW, in people; only the thresholds share training data, a
    weak dependence that the interval leaves out.
    """
    sample = np.asarray(values, dtype=np.float64)
    half = float(special.stdtrit(sample.size - 1, (1 + confidence) / 2)) * standard_error(sample)
    mean = float(sample.mean())
    return mean - half, mean + half


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for a share of independent trials; sound near 0 and 1, where ±1.96 σ is not.

    Too narrow where trials share people (see `identity_bootstrap`).

    Raises:
        DataError: no trials, or more successes than trials.
    """
    if not 0 <= successes <= trials or not trials:
        raise DataError(f"{successes} of {trials} trials is no share")
    z = float(special.ndtri((1 + confidence) / 2))
    share, spread = successes / trials, z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * float(np.sqrt(share * (1 - share) / trials + spread / (4 * trials)))
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == trials else centre + half
