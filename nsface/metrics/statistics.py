"""Standard errors, intervals and paired tests.

Everything random takes a seed and repeats to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from nsface.errors import DataError

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]


def standard_error(values: npt.ArrayLike) -> float:
    """The standard error of a mean: std(ddof=1) / √k, with the sample's standard deviation.

    Args:
        values: (k,), k ≥ 2.

    Raises:
        DataError: fewer than two values.

    Example:
        >>> round(standard_error([0.9, 0.8, 1.0]), 4)
        0.0577
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size < 2:
        raise DataError(f"a standard error needs at least two values, not {sample.size}")
    return float(sample.std(ddof=1) / np.sqrt(sample.size))


def student_interval(values: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    """Student's t interval for a mean: mean ± t(k−1) · standard error.

    For fold accuracies: with ten folds t(9) = 2.262, so ±1.96 standard errors would be too narrow. The
    held-out folds are disjoint in pairs and, in LFW, in people; only the thresholds share training data, a
    weak dependence that the interval leaves out.

    Args:
        values: (k,), k ≥ 2.
        confidence: in (0, 1).

    Returns:
        (low, high), not cut to [0, 1].

    Raises:
        DataError: fewer than two values.

    Example:
        >>> low, high = student_interval([0.9, 0.8, 1.0])
        >>> round(low, 3), round(high, 3)
        (0.652, 1.148)
    """
    sample = np.asarray(values, dtype=np.float64)
    half = float(special.stdtrit(sample.size - 1, (1 + confidence) / 2)) * standard_error(sample)
    mean = float(sample.mean())
    return mean - half, mean + half


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for a share of independent trials; sound near 0 and 1, where ±1.96 σ is not.

    Too narrow where trials share people (see `nsface.metrics.shared_people.rate_interval`).
    Source: Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953.

    Raises:
        DataError: no trials, or more successes than trials.

    Example:
        >>> low, high = wilson_interval(98, 100)
        >>> round(low, 3), round(high, 3)
        (0.93, 0.994)
    """
    if not 0 <= successes <= trials or not trials:
        raise DataError(f"{successes} of {trials} trials is no share")
    return wilson(successes / trials, trials, float(special.ndtri((1 + confidence) / 2)))


def wilson(share: float, trials: float, quantile: float) -> Interval:
    """Wilson's interval around `share` in [0, 1], as if of so many independent `trials` (any number > 0).

    Args:
        quantile: of the distribution of the standardised share: 1.96 for a normal one and 95 %.
    """
    spread = quantile * quantile / trials
    centre = (share + spread / 2) / (1 + spread)
    half = quantile / (1 + spread) * float(np.sqrt(share * (1 - share) / trials + spread / (4 * trials)))
    return 0.0 if share == 0 else centre - half, 1.0 if share == 1 else centre + half


@dataclass(frozen=True)
class McNemar:
    """McNemar's test on two systems' decisions: only the trials that exactly one gets right tell them apart.

    Attributes:
        only_first, only_second: trials that only that system decides rightly.
        exact: two-sided binomial p-value; conservative.
        mid_p: the same with half the weight of the observed table; closer to its nominal level (Fagerland,
            Lydersen, Laake 2013).
    """

    only_first: int
    only_second: int
    exact: float
    mid_p: float


def mcnemar(first_right: npt.ArrayLike, second_right: npt.ArrayLike) -> McNemar:
    """Compare two systems on the same N trials, by whether each decision was right.

    It takes trials as independent and decisions as given. Where pairs share people, or where thresholds were
    chosen on the same pairs, the p-value is too small: see `nsface.metrics.shared_people.paired_difference`.

    Args:
        first_right, second_right: (N,) booleans.

    Raises:
        DataError: lengths that differ.

    Example:
        >>> mcnemar([True, True, True, False], [True, False, False, True])
        McNemar(only_first=2, only_second=1, exact=1.0, mid_p=0.625)
    """
    first, second = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    if first.shape != second.shape:
        raise DataError(f"decisions on {first.shape} and {second.shape} trials cannot be paired")
    a, b = int((first & ~second).sum()), int((~first & second).sum())
    n, fewer = a + b, min(a, b)
    if n == 0:
        return McNemar(a, b, 1.0, 1.0)
    tail = float(special.bdtr(fewer, n, 0.5))
    here = tail - (float(special.bdtr(fewer - 1, n, 0.5)) if fewer else 0.0)
    return McNemar(a, b, min(1.0, 2 * tail), min(1.0, 2 * tail - here))


@dataclass(frozen=True)
class Difference:
    """A mean difference, first less second.

    Attributes:
        difference: the mean.
        confidence_interval: (low, high), 95 %.
        p_value: two-sided.
    """

    difference: float
    confidence_interval: Interval
    p_value: float


def paired_folds(first: npt.ArrayLike, second: npt.ArrayLike) -> Difference:
    """Paired t test on the accuracies of two systems over the same k ≥ 2 folds, or seeds.

    What the folds have in common, being easy or hard, cancels. Where all differences are equal there is no
    spread to judge by: p is 1 if they are 0, else 0.

    Args:
        first, second: (k,) accuracies, k ≥ 2.

    Raises:
        DataError: numbers of folds that differ, or fewer than two.

    Example:
        >>> found = paired_folds([0.9, 0.8, 0.95], [0.85, 0.8, 0.9])
        >>> round(found.difference, 4), round(found.p_value, 4)
        (0.0333, 0.1835)
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise DataError(f"accuracies of {a.size} and {b.size} folds cannot be paired")
    delta = a - b
    error, mean = standard_error(delta), float(delta.mean())
    if error == 0:
        p_value = 1.0 if mean == 0 else 0.0
    else:
        p_value = 2 * float(special.stdtr(len(delta) - 1, -abs(mean / error)))
    return Difference(mean, student_interval(delta), p_value)


def welch(first: npt.ArrayLike, second: npt.ArrayLike) -> Difference:
    """Welch's t test on two samples of m ≥ 2 and n ≥ 2 values that are not paired, of unequal variances.

    With variances a = s₁²/m and b = s₂²/n the mean difference has the standard error √(a + b), and Student's
    t the Welch–Satterthwaite degrees of freedom (a + b)² / (a²/(m−1) + b²/(n−1)) (Welch 1947,
    https://doi.org/10.1093/biomet/34.1-2.28). Where neither sample has any spread, p is 1 if the means are
    equal, else 0.

    Raises:
        DataError: a sample of fewer than two values.

    Example:
        >>> round(welch([0.91, 0.92, 0.93], [0.90, 0.91]).difference, 3)
        0.015
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    variances = np.array([standard_error(a) ** 2, standard_error(b) ** 2])
    mean, error = float(a.mean() - b.mean()), float(np.sqrt(variances.sum()))
    if error == 0:
        return Difference(mean, (mean, mean), 1.0 if mean == 0 else 0.0)
    degrees = error**4 / float((variances**2 / np.array([a.size - 1, b.size - 1])).sum())
    half = float(special.stdtrit(degrees, 0.975)) * error
    p_value = 2 * float(special.stdtr(degrees, -abs(mean / error)))
    return Difference(mean, (mean - half, mean + half), p_value)


def bootstrap_difference(first: npt.ArrayLike, second: npt.ArrayLike, observed: float) -> Difference:
    """Difference of two systems from their values on the same R bootstrap samples (percentile interval).

    The p-value is twice the smaller share of samples on either side of zero, (count + 1) / (R + 1), where a
    sample with no difference counts half on each side: once in all.

    Args:
        first, second: (R,) values.
        observed: the difference on the data themselves.

    Example:
        >>> bootstrap_difference([0.9, 0.8, 0.7], [0.5, 0.5, 0.5], observed=0.3).p_value
        0.5
    """
    delta = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    low, high = np.quantile(delta, [0.025, 0.975])
    none = float((delta == 0).sum())
    smaller = min(float((delta < 0).sum()), float((delta > 0).sum())) + none / 2
    return Difference(observed, (float(low), float(high)), min(1.0, 2 * (smaller + 1) / (len(delta) + 1)))


def holm(p_values: npt.ArrayLike) -> list[float]:
    """Holm's correction of p values for the number of tests: of all that are below α after it, none is wrong
    with probability 1 − α, however the tests depend on each other.

    In ascending order, p₍ᵢ₎ of m tests becomes max over j ≤ i of min(1, (m − j + 1) p₍ⱼ₎).
    Source: Holm 1979, https://www.jstor.org/stable/4615733.

    Args:
        p_values: (m,), in [0, 1].

    Returns:
        The corrected p values, in the order given.

    Raises:
        DataError: a p value outside [0, 1].

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=np.float64)
    if not ((given >= 0) & (given <= 1)).all():
        raise DataError("p values lie in [0, 1]")
    order = np.argsort(given, kind="stable")
    factors = np.arange(given.size, 0, -1)
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * factors))
    found: list[float] = corrected.tolist()
    return found
