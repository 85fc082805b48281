"""Intervals and tests for means over pairs of images, where pairs share people.

One hard face fails in all of its pairs together, so P pairs carry less information than P independent ones.
The identity-aware (dyadic-robust) variance adds up e_p e_q over all pairs p, q that share a person, e being
the residuals (Fafchamps and Gubert 2007; Aronow, Samii and Assenova 2015). It goes into Wilson's interval for
a rate, as Fogliato, Patil and Perona (2024) recommend for face verification, and into Student's for the
difference of two systems. A mean over images is the special case of pairs of one person: clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from nsface.errors import DataError
from nsface.metrics.statistics import Difference, Interval, wilson

Floats = npt.NDArray[np.float64]


class SharedPeople:
    """Which of P pairs share a person: who is in each, arranged for sums by person. O(P) memory.

    Args:
        left, right: (P,) integers or strings, the two people of each pair; equal where both images show one.

    Attributes:
        people: how many there are.

    Raises:
        DataError: no pairs, or lengths that differ.
    """

    def __init__(self, left: npt.ArrayLike, right: npt.ArrayLike) -> None:
        first, second = np.asarray(left), np.asarray(right)
        if first.ndim != 1 or first.shape != second.shape or not len(first):
            raise DataError(f"people of shapes {first.shape} and {second.shape} are in no pairs")
        people, places = np.unique(np.concatenate([first, second]), return_inverse=True)
        self.people = len(people)
        self._left, self._right = places[: len(first)], places[len(first) :]
        self._two = self._left != self._right
        low, high = np.minimum(self._left, self._right), np.maximum(self._left, self._right)
        couples = low[self._two].astype(np.int64) * self.people + high[self._two]
        self._couple = np.unique(couples, return_inverse=True)[1]

    def __len__(self) -> int:
        return len(self._left)

    def _by_person(self, values: Floats) -> Floats:
        """(people,) sums of the values of all pairs that a person is in."""
        one = np.bincount(self._left, values, self.people)
        two = np.bincount(self._right[self._two], values[self._two], self.people)
        return np.asarray(one + two, dtype=np.float64)

    def products(self, values: Floats) -> float:
        """Σ v_p v_q over all ordered (p, q) that share a person, a pair with itself once; `values`: (P,).

        The squared sums by person count (p, q) once for each person shared. Two are shared by pairs of the
        same two people alone, so the squared sums by couple are taken off again.
        """
        couples = np.bincount(self._couple, values[self._two])
        persons = self._by_person(values)
        return float(persons @ persons - couples @ couples)

    def effective_people(self, weights: Floats) -> float:
        """(Σ d)² / Σ d², d the weight of the pairs that each person is in: people, if all were in as many."""
        degrees = self._by_person(weights)
        return float(degrees.sum() ** 2 / (degrees @ degrees))


def shared_people(left: npt.ArrayLike, right: npt.ArrayLike | None = None) -> SharedPeople | None:
    """`SharedPeople` of pairs, or, without `right`, of images.

    None where there are no pairs, or all show one person: what other people would change cannot be told then.

    Args:
        left, right: (P,) integers or strings, the two people of each pair.

    Example:
        >>> shared_people(["Ann", "Bo", "Ann"]).people
        2
        >>> shared_people(["Ann", "Ann"]) is None
        True
    """
    if not len(np.asarray(left)):
        return None
    shared = SharedPeople(left, left if right is None else right)
    return shared if shared.people > 1 else None


@dataclass(frozen=True)
class _Mean:
    """A weighted mean over pairs, its variance, and the degrees of freedom behind that."""

    value: float
    variance: float
    freedom: float


def _mean(values: npt.ArrayLike, shared: SharedPeople, weights: npt.ArrayLike | None, added: float) -> _Mean:
    """The mean of (P,) `values` by `weights`, and its identity-aware variance with what is `added`.

    The estimate is never smaller than if pairs were independent: near the ceiling chance can even make it
    negative, as the sum has products of both signs. With G people in effect, G / (G − 1) makes up for the
    residuals' being taken from the sample's own mean.
    """
    measured = np.asarray(values, dtype=np.float64)
    weight = np.ones(len(shared)) if weights is None else np.asarray(weights, dtype=np.float64)
    if measured.shape != (len(shared),) or weight.shape != measured.shape:
        raise DataError(f"values of shape {measured.shape} do not fit {len(shared)} pairs")
    weight = weight / weight.sum()
    alike = bool((measured == measured[0]).all())  # then rounding must leave no variance
    mean = float(measured[0]) if alike else float(measured @ weight)
    residuals = weight * (measured - mean)
    people = shared.effective_people(weight)
    if people <= 1:
        raise DataError("all pairs are of one person: what other people would change cannot be told")
    variance = max(shared.products(residuals), float(residuals @ residuals)) * people / (people - 1)
    return _Mean(mean, variance + added, people - 1)


def rate_interval(
    values: npt.ArrayLike,
    shared: SharedPeople,
    *,
    weights: npt.ArrayLike | None = None,
    added: float = 0.0,
    confidence: float = 0.95,
) -> Interval:
    """Identity-aware Wilson interval for a rate over pairs: the share of `values`, (P,) booleans.

    Wilson's interval for as many independent pairs as would have this variance, with Student's quantile.
    Where all pairs are alike nothing tells how alike those of one person are, and they count as independent.

    Args:
        weights: (P,) of the pairs in the rate, positive; equal unless given.
        added: variance from elsewhere, such as the choice of the threshold.

    Raises:
        DataError: lengths that differ, or a single person in all pairs.

    Example:
        >>> right = np.array([True] * 18 + [False] * 2)
        >>> alone = SharedPeople(np.arange(20), np.arange(20))  # each pair has a person of its own
        >>> paired = SharedPeople(np.arange(20) // 2, np.arange(20) // 2)  # two pairs a person
        >>> [round(end, 3) for end in rate_interval(right, alone)]
        [0.675, 0.975]
        >>> [round(end, 3) for end in rate_interval(right, paired)]
        [0.523, 0.987]
    """
    mean = _mean(values, shared, weights, added)
    spread = mean.value * (1 - mean.value)
    trials = spread / mean.variance if spread > 0 and mean.variance > 0 else float(len(shared))
    return wilson(min(max(mean.value, 0.0), 1.0), trials, _quantile(mean.freedom, confidence))


def mean_variance(values: npt.ArrayLike, shared: SharedPeople) -> float:
    """The identity-aware variance of the mean of `values`, (P,) numbers of pairs: 0 where all are equal.

    Raises:
        DataError: as for `rate_interval`.

    Example:
        >>> people = SharedPeople(np.arange(8), np.arange(8))
        >>> mean_variance(np.arange(8) < 4, people) == 0.25 / 7
        True
    """
    return _mean(values, shared, None, 0.0).variance


def paired_difference(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    shared: SharedPeople,
    *,
    weights: npt.ArrayLike | None = None,
    added: float = 0.0,
    confidence: float = 0.95,
) -> Difference:
    """Difference of two systems' rates on the same pairs: identity-aware interval and two-sided test.

    Interval and test are Student's t with one degree of freedom less than there are people in effect. Where
    all differences are equal, p is 1 if they are 0, else 0.

    Args:
        first, second: (P,) booleans, whether each system decides each pair rightly.
        weights, added, confidence: as for `rate_interval`.

    Raises:
        DataError: as for `rate_interval`.

    Example:
        >>> people = SharedPeople(np.arange(8), np.arange(8))
        >>> first, second = np.arange(8) < 7, np.arange(8) < 5
        >>> found = paired_difference(first, second, people)
        >>> found.difference, round(found.p_value, 3)
        (0.25, 0.17)
    """
    gain = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    mean = _mean(gain, shared, weights, added)
    error = float(np.sqrt(mean.variance))
    half = _quantile(mean.freedom, confidence) * error
    if error == 0:
        p_value = 1.0 if mean.value == 0 else 0.0
    else:
        p_value = 2 * float(special.stdtr(mean.freedom, -abs(mean.value / error)))
    return Difference(mean.value, (mean.value - half, mean.value + half), p_value)


def _quantile(freedom: float, confidence: float) -> float:
    return float(special.stdtrit(freedom, (1 + confidence) / 2))
