"""How much an error rate differs between groups of people, and whether by more than chance.

A rate of a group is over pairs whose people are all in it, so that pairs of two groups share nobody. Sources:
the maximum over the geometric mean is of Grother 2022 (NIST IR 8429), the maximum over the minimum and the
Gini coefficient with its correction n / (n − 1), and GARBE, are of Howard, Laird, Sirotin et al. 2022
(arXiv:2203.05051); ISO/IEC 19795-10:2024 describes such comparisons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.metrics.statistics import Interval

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[Any]]
Summary = Callable[[Floats], Floats]
DRAWS = 1000
FURTHEST = 2.0**30
STEPS = 20
PERMUTATIONS = 999
NOBODY = -1  # the group of people who are in none


def max_over_geometric_mean(rates: npt.ArrayLike) -> Floats:
    """The highest of G rates by their geometric mean: 1 where all are equal; no rate may be 0.

    Args:
        rates: (…, G).

    Example:
        >>> round(float(max_over_geometric_mean([0.01, 0.04])), 9)
        2.0
    """
    logs = np.log(np.asarray(rates, dtype=np.float64))
    return np.asarray(np.exp(logs.max(axis=-1) - logs.mean(axis=-1)))


def max_over_min(rates: npt.ArrayLike) -> Floats:
    """The highest of G rates by the lowest: 1 where all are equal; no rate may be 0.

    Args:
        rates: (…, G).

    Example:
        >>> float(max_over_min([0.01, 0.04]))
        4.0
    """
    found = np.asarray(rates, dtype=np.float64)
    return np.asarray(found.max(axis=-1) / found.min(axis=-1))


def gini(rates: npt.ArrayLike) -> Floats:
    """The Gini coefficient of G ≥ 2 rates, with the correction n / (n − 1) for few groups.

    G_x = n / (n − 1) · Σ_i Σ_j |x_i − x_j| / (2 n² x̄): 0 where all are equal, 1 where all but one are 0. One
    rate at least must not be 0.

    Args:
        rates: (…, G).

    Raises:
        DataError: there are fewer than two rates.

    Example:
        >>> float(gini([0.02, 0.02, 0.02])), float(gini([0.0, 0.0, 0.03]))
        (0.0, 1.0)
    """
    found = np.asarray(rates, dtype=np.float64)
    count = found.shape[-1]
    if count < 2:
        raise DataError(f"a Gini coefficient needs at least two groups, not {count}")
    apart = np.abs(found[..., :, None] - found[..., None, :]).sum(axis=(-2, -1))
    return np.asarray(apart / (2 * (count - 1) * found.sum(axis=-1)))


def garbe(first: npt.ArrayLike, second: npt.ArrayLike, alpha: float) -> Floats:
    """The Gini aggregation rate for biometric equitability: α Gini(FMR) + (1 − α) Gini(FNMR).

    Args:
        first, second: (…, G) the rates, as for `gini`.
        alpha: the weight of the first, in [0, 1].

    Example:
        >>> float(garbe([0.0, 0.01], [0.02, 0.02], alpha=0.75))
        0.75
    """
    return alpha * gini(first) + (1 - alpha) * gini(second)


def summary_interval(
    summary: Summary, rates: npt.ArrayLike, variances: npt.ArrayLike, parts: int = 1
) -> Interval:
    """A 95 % interval for a summary that does not change if all of G rates are multiplied by one number.

    The logarithms of the rates are taken as normal, with the variances of the rates by people, and the
    measured differences as shrunk or stretched in proportion. The ends are what the summary is at the weakest
    and at the strongest differences that give the measured value, or one beyond it, in 2.5 % of draws. So the
    interval begins at equal rates where the differences may be chance. Percentiles of resampled summaries
    never do, as noise alone makes rates differ.

    Args:
        summary: of rates (…, G), ascending where their differences are stretched.
        rates, variances: (G,) the rates, in (0, 1], and their variances, positive.
        parts: of how many rates of groups, one after the other, the summary is: 2 for GARBE. Each may be
            multiplied by a number of its own. They are taken as independent.

    Example:
        >>> low, high = summary_interval(max_over_min, [0.02, 0.04], [4e-5, 4e-5])
        >>> low, 3.5 < high < 4.5
        (1.0, True)
    """
    measured, variance = (np.asarray(one, dtype=np.float64) for one in (rates, variances))
    logs, errors = np.log(measured).reshape(parts, -1), np.sqrt(variance) / measured
    apart = (logs - np.median(logs, axis=1, keepdims=True)).ravel()
    if not apart.any():  # then the least certain rate is where a difference would be
        apart[np.argmax(errors)] = 1e-6
    noise = np.random.default_rng(0).normal(size=(DRAWS, len(errors))) * errors
    certain = apart * np.maximum(0.0, 1 - errors**2 / np.maximum(apart**2, 1e-12))
    weak = (
        certain if certain.any() else apart
    )  # what is noise of single groups is not stretched with the rest

    def quantile(stretch: float, direction: Floats, share: float) -> float:
        return float(np.quantile(summary(np.exp(stretch * direction + noise)), share))

    value = float(summary(measured))
    by_chance = quantile(0.0, apart, 0.5)  # a smaller value does not bound the differences further
    low = _reaching(value, lambda stretch: quantile(stretch, weak, 0.975))
    high = _reaching(max(value, by_chance), lambda stretch: quantile(stretch, apart, 0.025))
    return min(value, float(summary(np.exp(low * weak)))), max(value, float(summary(np.exp(high * apart))))


def _reaching(value: float, function: Callable[[float], float]) -> float:
    """Where an ascending function of numbers ≥ 0 reaches `value`; 0 where it begins above that."""
    low, high = 0.0, 1.0
    if function(low) >= value:
        return low
    while function(high) < value and high < FURTHEST:
        low, high = high, 2 * high
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < value else (low, middle)
    return high


@dataclass(frozen=True)
class _Couples:
    """Pairs of the same two people put together: (C,) who they are, how many pairs, how many errors."""

    first: Ints
    second: Ints
    pairs: Floats
    errors: Floats


def difference_p_value(
    wrong: npt.ArrayLike,
    left: npt.ArrayLike,
    right: npt.ArrayLike,
    group: npt.ArrayLike,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> float:
    """Whether rates of groups differ by more than chance: a permutation test, groups dealt to people anew.

    Exact where people of all groups are alike and differ by chance only, however many pairs they share. The
    statistic is weighted by what sharing makes of the variance (see `_heterogeneity`), so that the test holds
    approximately where groups are equal in their rate alone and not in how many pairs their people have.

    Args:
        wrong: (P,) booleans, whether each pair was decided wrongly.
        left, right: (P,) the people of each pair, from 0; equal where both images show one.
        group: (people,) the group of each, from 0; −1 for none, whose pairs do not count.

    Raises:
        DataError: fewer than two groups, or groups without a pair.

    Example:
        >>> wrong = np.arange(200) < 60  # all of the first group
        >>> difference_p_value(wrong, np.arange(200), np.arange(200), np.arange(200) // 100)
        0.001
    """
    groups = np.asarray(group)
    count = int(groups.max()) + 1
    couples = _couples(np.asarray(wrong, dtype=np.float64), np.asarray(left), np.asarray(right), groups)
    members = np.flatnonzero(
        np.bincount(np.concatenate([couples.first, couples.second]), minlength=len(groups))
    )
    observed, sizes = _heterogeneity(couples, groups, count)
    if count < 2 or not sizes.all():
        raise DataError("a test of differences needs two groups or more, each with pairs")
    random, reached = np.random.default_rng(seed), 1
    for _ in range(permutations):
        dealt = groups.copy()
        dealt[members] = random.permutation(groups[members])
        reached += _heterogeneity(couples, dealt, count)[0] >= observed * (1 - 1e-9)
    return reached / (permutations + 1)


def _couples(wrong: Floats, left: Ints, right: Ints, groups: Ints) -> _Couples:
    counted = (groups[left] != NOBODY) & (groups[right] != NOBODY)
    low, high = np.minimum(left, right)[counted], np.maximum(left, right)[counted]
    keys, place = np.unique(low.astype(np.int64) * len(groups) + high, return_inverse=True)
    sums = (np.bincount(place, weights, len(keys)) for weights in (None, wrong[counted]))
    pairs, errors = (np.asarray(one, dtype=np.float64) for one in sums)
    return _Couples(keys // len(groups), keys % len(groups), pairs, errors)


def _heterogeneity(couples: _Couples, groups: Ints, count: int) -> tuple[float, npt.NDArray[Any]]:
    """Q = Σ (r_g − mean)² / v_g over groups, the mean weighted by 1 / v_g, and the pairs of each group.

    v_g is the variance under the null: with r the rate of all pairs within groups, N_g pairs of the group and
    M_g ordered couples of different pairs that share a person, (N_g r (1 − r) + M_g c) / N_g². c, the
    covariance of two such pairs, is estimated over all groups and not below 0.
    """
    inside = groups[couples.first] == groups[couples.second]
    first, second = couples.first[inside], couples.second[inside]
    pairs, errors = couples.pairs[inside], couples.errors[inside]
    of_couple, two = groups[first], first != second
    sizes = np.bincount(of_couple, pairs, count)
    wrong = np.bincount(of_couple, errors, count)
    total = float(sizes.sum())
    rate = float(wrong.sum()) / total if total else 0.0
    if not 0 < rate < 1:
        return 0.0, sizes
    people = len(groups)
    per_person = [
        np.bincount(first, values, people) + np.bincount(second[two], values[two], people)
        for values in (pairs, errors)
    ]
    residuals = per_person[1] - rate * per_person[0]
    of_couples = (errors - rate * pairs)[two]
    spread = rate * (1 - rate)
    known = groups != NOBODY
    squares = np.bincount(groups[known], per_person[0][known] ** 2, count)
    sharing = squares - np.bincount(of_couple[two], pairs[two] ** 2, count) - sizes
    products = float(residuals @ residuals - of_couples @ of_couples) - total * spread
    shared = float(sharing.sum())
    covariance = max(products / shared, 0.0) if shared > 0.5 else 0.0
    there = sizes > 0
    weights = sizes[there] ** 2 / (sizes[there] * spread + sharing[there] * covariance)
    rates = wrong[there] / sizes[there]
    mean = float(weights @ rates / weights.sum())
    return float(weights @ (rates - mean) ** 2), sizes
