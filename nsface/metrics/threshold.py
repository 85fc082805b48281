"""The threshold for a wanted rate of accepted impostors, and how high that rate may be on other people.

The threshold lies just above the (k + 1)-th highest of n impostor scores, so that k are accepted: by so
much that scores which are summed in another order stay on their side. If they were independent, the true
rate at this threshold would have the law Beta(k + 1, n − k) exactly, and its quantile, the limit of Clopper
and Pearson (1934), would be the upper bound: that the threshold was chosen on the same scores is in it.
Impostors that share people count as n* independent ones with the identity-aware variance (as Korn and
Graubard 1998 do for clusters of a survey). That variance is taken where the list's own rate is the bound,
since the question is how few impostors could be accepted if the true rate were so high; taken at the k
accepted ones it is too small, most of all where a few people make most of the errors.
`docs/results/coverage.md` shows how often the bound holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from nsface.errors import DataError
from nsface.metrics.identification import accepted
from nsface.metrics.impostors import Impostors
from nsface.metrics.statistics import Interval, wilson

MARGIN = 1e-6  # ten times what the order of a float32 sum changes in a cosine
RULE_OF_3 = 3  # no error in n trials means a rate below 3/n with 95 % confidence


@dataclass(frozen=True)
class Calibrated:
    """A threshold and the rate at it.

    Attributes:
        threshold: the lowest that accepts no more than `errors` impostors, with a margin of MARGIN, or of
            half of what lies between the two scores beside it.
        errors: how many it accepts.
        achieved: their share.
        upper_bound: of the rate on other people, one-sided.
    """

    threshold: float
    errors: int
    achieved: float
    upper_bound: float


def calibrated(
    impostors: Impostors, rate: float, confidence: float = 0.95, *, guarantee: bool = False
) -> Calibrated:
    """The lowest threshold at which the share of accepted impostors does not exceed `rate`.

    Args:
        rate: in (0, 1).
        confidence: of the upper bound, in (0, 1).
        guarantee: the upper bound must not exceed `rate` either, which gives a higher threshold.

    Raises:
        DataError: so few impostors cannot resolve this rate (rule of 3), or cannot guarantee it.

    Example:
        >>> from nsface.metrics.impostors import ListedImpostors
        >>> scores = np.arange(1000) / 1000
        >>> found = calibrated(ListedImpostors(scores, None), 0.01)
        >>> found.errors, found.achieved, round(found.upper_bound, 4), round(found.threshold, 3)
        (10, 0.01, 0.0169, 0.989)
        >>> found = calibrated(ListedImpostors(scores, None), 0.01, guarantee=True)
        >>> found.errors, round(found.upper_bound, 4)
        (4, 0.0091)
    """
    if not 0 < rate < 1:
        raise DataError(f"a wanted false match rate lies between 0 and 1; {rate} does not")
    n = impostors.trials
    if n * rate < RULE_OF_3 * (1 - 1e-9):  # 10,000 · 0.0003 is 3 but for rounding
        remedy = "give more (rule of 3)"
        if n > RULE_OF_3:
            least = _at_least(RULE_OF_3 / n)
            remedy = f"ask for {least}, the least that they can resolve (rule of 3), or more"
        raise DataError(f"{n:,} impostor{'s' * (n != 1)} cannot resolve a rate of {rate:g}; {remedy}")
    allowed = accepted(n, rate)
    if guarantee:
        allowed = _guaranteed(impostors, rate, allowed, confidence)
    refused, errors = impostors.limit(allowed)
    bound = _upper_bound(impostors, errors, confidence)
    bound = min(bound, rate) if guarantee else bound
    return Calibrated(_just_above(refused, impostors, errors), errors, errors / n, bound)


def _just_above(refused: float, impostors: Impostors, errors: int) -> float:
    """A threshold above the score `refused`, and not above that of any of the `errors` accepted impostors."""
    lowest = impostors.highest(errors)[0][errors - 1] if errors else np.inf
    threshold = refused + min(MARGIN, (lowest - refused) / 2)
    return float(threshold if refused < threshold <= lowest else np.nextafter(refused, np.inf))


def _upper_bound(impostors: Impostors, errors: int, confidence: float) -> float:
    """The bound of the true rate at the threshold that accepts `errors`.

    It is the first rate p of the list at which the bound, with the variance at p, does not exceed p. Found by
    steps that double, and by halving the last one.
    """

    def bound(at: int) -> float:
        return _clopper_pearson(errors, impostors.trials, _effective(impostors, at, confidence), confidence)

    most, step = impostors.trials - 1, 1
    low, high = errors, min(errors + 1, most)
    while bound(high) > high / impostors.trials:
        if high == most:
            return 1.0
        low, step = high, 2 * step
        high = min(high + step, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if bound(middle) <= middle / impostors.trials else (middle, high)
    return bound(high)


def _at_least(rate: float) -> str:
    """`rate` in two digits, rounded up: the advice is good where it is followed."""
    unit = 10.0 ** (np.floor(np.log10(rate)) - 1)
    return f"{np.ceil(rate / unit - 1e-6) * unit:.2g}"


def _guaranteed(impostors: Impostors, rate: float, allowed: int, confidence: float) -> int:
    """The largest number of accepted impostors, up to `allowed`, whose bound does not exceed `rate`."""
    n, effective = impostors.trials, _effective(impostors, allowed, confidence)
    if _clopper_pearson(0, n, effective, confidence) > rate:
        raise DataError(
            f"{n:,} impostors, which say as much as {effective:,.0f} independent ones, cannot guarantee a "
            f"rate of {rate:g} even with none accepted; give more people, or ask for a rate above "
            f"{_at_least(_clopper_pearson(0, n, effective, confidence))}"
        )
    low, high = 0, allowed
    while low < high:
        middle = (low + high + 1) // 2
        fits = _clopper_pearson(middle, n, effective, confidence) <= rate
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def _effective(impostors: Impostors, errors: int, confidence: float) -> float:
    """As many independent impostors as say as much of the rate where `errors` are accepted.

    Student's quantile, in place of the normal one, makes up for the variance being an estimate.
    """
    rate = errors / impostors.trials
    variance, freedom = impostors.spread(errors)
    level = max(confidence, 0.5 + 1e-6)  # at 0.5 both quantiles are 0, and their ratio is its limit
    ratio = special.ndtri(level) / _quantile(freedom, level)
    return float(rate * (1 - rate) / variance * ratio**2)


def _quantile(freedom: float, level: float) -> float:
    return float(special.stdtrit(freedom, level) if np.isfinite(freedom) else special.ndtri(level))


def rate_at(impostors: Impostors, threshold: float, confidence: float = 0.95) -> tuple[int, Interval]:
    """How many impostors a given threshold accepts, and Wilson's identity-aware interval of their share.

    Example:
        >>> from nsface.metrics.impostors import ListedImpostors
        >>> errors, (low, high) = rate_at(ListedImpostors(np.arange(100) / 100, None), 0.9)
        >>> errors, round(low, 3), round(high, 3)
        (10, 0.055, 0.174)
    """
    scores = impostors.highest(impostors.trials)[0]
    errors, n, level = int((scores >= threshold).sum()), impostors.trials, (1 + confidence) / 2
    if errors in (0, n):
        return errors, wilson(errors / n, n, _quantile(np.inf, level))
    variance, freedom = impostors.spread(errors)
    rate = errors / n
    return errors, wilson(rate, rate * (1 - rate) / variance, _quantile(freedom, level))


def _clopper_pearson(errors: int, trials: int, effective: float, confidence: float) -> float:
    """The upper limit for the rate `errors` / `trials`, as if of so many `effective` independent ones."""
    successes = errors / trials * effective
    return float(special.betaincinv(successes + 1, effective - successes, confidence))
