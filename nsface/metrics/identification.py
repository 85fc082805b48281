"""Closed- and open-set identification: Rank-k, CMC, DIR at FAR, from what a search found.

Best-Rowden, Han, Otto, Klare, Jain: Unconstrained Face Recognition (IEEE TIFS 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.metrics.search import Found
from nsface.metrics.statistics import Interval

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OpenSet:
    """One system on one open set: what it found for genuine probes, each impostor's highest score (I,)."""

    genuine: Found
    impostors: Floats


@dataclass(frozen=True)
class DirAtFar:
    """Detection and identification rate at a false accept rate that does not exceed `far`.

    Attributes:
        dir: share of genuine probes with best mate ≥ `threshold` and rank ≤ `rank`.
        threshold: the smallest score with at most `far` of the impostors at or above it.
        achieved_far: the share really accepted.
        confidence_interval: 95 %, bootstrap over genuine and impostor probes.
    """

    far: float
    rank: int
    dir: float
    threshold: float
    achieved_far: float
    confidence_interval: Interval


def rank_rate(ranks: npt.ArrayLike, k: int) -> float:
    """Share of probes found at rank ≤ k."""
    return float((np.asarray(ranks) <= k).mean())


def cmc(ranks: npt.ArrayLike, length: int) -> Floats:
    """Cumulative match characteristic: rank-1 … rank-`length` rates."""
    found = np.asarray(ranks)
    return np.cumsum(np.bincount(np.minimum(found, length + 1), minlength=length + 2)[1 : length + 1]) / len(
        found
    )


def dir_at_far(
    open_set: OpenSet, far: float, rank: int = 1, replicates: int = 1000, seed: int = 0
) -> DirAtFar:
    """DIR at the largest attainable FAR that does not exceed `far`; ties never push it over.

    Raises:
        DataError: `far` outside [0, 1], or no impostors.
    """
    descending = _descending(open_set.impostors)
    allowed = accepted(len(descending), far)
    detected = _detected(open_set.genuine, rank)
    if allowed < len(descending):
        threshold = float(np.nextafter(descending[allowed], np.inf))
    else:
        threshold = float(min(descending[-1], open_set.genuine.score.min()))
    samples = bootstrap_dir([open_set], far, rank, replicates, seed)[0]
    low, high = np.quantile(samples, [0.025, 0.975])
    return DirAtFar(
        far,
        rank,
        float((detected >= threshold).mean()),
        threshold,
        float((descending >= threshold).mean()),
        (float(low), float(high)),
    )


def dir_curve(open_set: OpenSet, rank: int = 1) -> tuple[Floats, Floats]:
    """FAR and DIR (both (M,), ascending) at every attainable threshold."""
    descending, detected = _descending(open_set.impostors), np.sort(_detected(open_set.genuine, rank))
    thresholds = np.unique(np.concatenate([descending, detected[np.isfinite(detected)]]))[::-1]
    far = len(descending) - np.searchsorted(descending[::-1], thresholds, side="left")
    found = len(detected) - np.searchsorted(detected, thresholds, side="left")
    return np.append(0.0, far / len(descending)), np.append(0.0, found / len(detected))


def bootstrap_dir(
    systems: Sequence[OpenSet], far: float, rank: int = 1, replicates: int = 1000, seed: int = 0
) -> Floats:
    """DIR of each system on bootstrap samples of the genuine and of the impostor probes; (S, replicates).

    All systems see the same samples, so that differences between rows are paired. Each replicate chooses its
    own threshold, as the measurement does.

    Raises:
        DataError: systems with different numbers of probes.
    """
    genuine, impostors = len(systems[0].genuine.score), len(systems[0].impostors)
    if any((len(s.genuine.score), len(s.impostors)) != (genuine, impostors) for s in systems):
        raise DataError("paired systems need the same probes")
    allowed = accepted(impostors, far)
    orders = [np.argsort(-system.impostors, kind="stable") for system in systems]
    detected = [_detected(system.genuine, rank) for system in systems]
    random = np.random.default_rng(seed)
    result = np.empty((len(systems), replicates))
    for replicate in range(replicates):
        drawn = np.bincount(random.integers(0, impostors, impostors), minlength=impostors)
        sample = random.integers(0, genuine, genuine)
        for s, system in enumerate(systems):
            first_refused = int(np.searchsorted(np.cumsum(drawn[orders[s]]), allowed, side="right"))
            limit = system.impostors[orders[s][first_refused]] if first_refused < impostors else -np.inf
            result[s, replicate] = (detected[s][sample] > limit).mean()
    return result


def accepted(impostors: int, far: float) -> int:
    """The largest number of `impostors` whose share does not exceed `far`, decided as share ≤ far is."""
    if not impostors:
        raise DataError("no impostors: a false accept rate needs some")
    if not 0 <= far <= 1:
        raise DataError(f"a false accept rate lies between 0 and 1; {far} does not")
    count = min(int(far * impostors) + 1, impostors)
    while count / impostors > far:
        count -= 1
    return count


def _detected(found: Found, rank: int) -> Floats:
    """Score of the best mate where its rank is good enough, −∞ elsewhere."""
    return np.where(found.rank <= rank, found.score, -np.inf)


def _descending(scores: Floats) -> Floats:
    if not len(scores):
        raise DataError("no impostors: a false accept rate needs some")
    return np.sort(scores)[::-1]
