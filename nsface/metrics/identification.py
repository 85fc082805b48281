"""Closed- and open-set identification: Rank-k, CMC, DIR at FAR, from what a search found.

Best-Rowden, Han, Otto, Klare, Jain: Unconstrained Face Recognition (IEEE TIFS 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from nsface.errors import DataError
from nsface.metrics.search import Found
from nsface.metrics.similarity import Rows
from nsface.metrics.statistics import Interval, wilson

Floats = npt.NDArray[np.float64]
_DRAWS = 1 << 21  # probes drawn at once, over all replicates


@dataclass(frozen=True)
class OpenSet:
    """One system on one open set.

    Attributes:
        genuine: what it found for the genuine probes.
        impostors: (I,) the highest score of each impostor.
        genuine_people, impostor_people: who each probe shows, integers; somebody else each unless given.
        impostor_mates: (I,) who in the gallery has that score, integers from 0 to `gallery_people` − 1, where
            that is known.
    """

    genuine: Found
    impostors: Floats
    genuine_people: Rows | None = None
    impostor_people: Rows | None = None
    impostor_mates: Rows | None = None
    gallery_people: int = 0


@dataclass(frozen=True)
class DirAtFar:
    """Detection and identification rate at a false accept rate that does not exceed `far`.

    Attributes:
        dir: share of genuine probes with best mate ≥ `threshold` and rank ≤ `rank`.
        threshold: the smallest score with at most `far` of the impostors at or above it.
        achieved_far: the share really accepted.
        confidence_interval: 95 %, Wilson's, with the variance over bootstrap samples of people in which the
            threshold is chosen anew.
    """

    far: float
    rank: int
    dir: float
    threshold: float
    achieved_far: float
    confidence_interval: Interval


def rank_rate(ranks: npt.ArrayLike, k: int) -> float:
    """The share of probes whose person is found at rank ≤ k.

    Args:
        ranks: (P,) integers from 1.

    Example:
        >>> rank_rate([1, 1, 2, 7], k=1)
        0.5
    """
    return float((np.asarray(ranks) <= k).mean())


def cmc(ranks: npt.ArrayLike, length: int) -> Floats:
    """The cumulative match characteristic: the rates at rank 1 to `length`.

    Args:
        ranks: (P,) integers from 1.

    Returns:
        (length,) fractions, ascending.

    Example:
        >>> cmc([1, 1, 2, 7], length=3).tolist()
        [0.5, 0.75, 0.75]
    """
    found = np.asarray(ranks)
    return np.cumsum(np.bincount(np.minimum(found, length + 1), minlength=length + 2)[1 : length + 1]) / len(
        found
    )


def dir_at_far(
    open_set: OpenSet, far: float, rank: int = 1, replicates: int = 1000, seed: int = 0
) -> DirAtFar:
    """DIR at the largest attainable FAR that does not exceed `far`, ties included.

    Its interval is Wilson's for as many independent probes as would have the bootstrap's variance, and never
    for more than there are: percentiles of the bootstrap itself hold too little near 0 and 1.

    Args:
        far: in [0, 1].
        rank: the lowest rank at which a genuine probe counts as identified.
        replicates, seed: of the bootstrap, which repeats to the last bit.

    Raises:
        DataError: `far` outside [0, 1], or no impostors.

    Example:
        >>> genuine = Found(score=np.array([0.9, 0.8, 0.4]), rank=np.array([1, 2, 1]))
        >>> found = dir_at_far(OpenSet(genuine, impostors=np.array([0.5, 0.3, 0.2, 0.1])), far=0.25)
        >>> found.achieved_far, round(found.dir, 4), round(found.threshold, 4)
        (0.25, 0.6667, 0.3)
    """
    descending = _descending(open_set.impostors)
    allowed = accepted(len(descending), far)
    detected = detected_scores(open_set.genuine, rank)
    if allowed < len(descending):
        threshold = float(np.nextafter(descending[allowed], np.inf))
    else:
        threshold = float(min(descending[-1], open_set.genuine.score.min()))
    rate = float((detected >= threshold).mean())
    samples = bootstrap_dir([open_set], far, rank, replicates, seed)[0]
    people = len(_Clusters(open_set.genuine_people, len(detected)).sizes)
    interval = _interval(rate, float(samples.var()), len(detected), people)
    return DirAtFar(far, rank, rate, threshold, float((descending >= threshold).mean()), interval)


def dir_curve(open_set: OpenSet, rank: int = 1) -> tuple[Floats, Floats]:
    """FAR and DIR at every attainable threshold: two arrays (M,), both ascending.

    Raises:
        DataError: no impostors.
    """
    descending, detected = _descending(open_set.impostors), np.sort(detected_scores(open_set.genuine, rank))
    thresholds = np.unique(np.concatenate([descending, detected[np.isfinite(detected)]]))[::-1]
    far = len(descending) - np.searchsorted(descending[::-1], thresholds, side="left")
    found = len(detected) - np.searchsorted(detected, thresholds, side="left")
    return np.append(0.0, far / len(descending)), np.append(0.0, found / len(detected))


def bootstrap_dir(
    systems: Sequence[OpenSet], far: float, rank: int = 1, replicates: int = 1000, seed: int = 0
) -> Floats:
    """DIR of each system on bootstrap samples of the known people and of the strangers; (S, replicates).

    People are drawn with replacement and bring all their probes. All systems see the same samples, so that
    differences between rows are paired. Each replicate chooses its own threshold, as the measurement does.

    Args:
        systems: S systems on the same probes.
        far: in [0, 1].

    Returns:
        (S, replicates) fractions.

    Raises:
        DataError: systems with different numbers of probes.
    """
    genuine, impostors = len(systems[0].genuine.score), len(systems[0].impostors)
    if any((len(s.genuine.score), len(s.impostors)) != (genuine, impostors) for s in systems):
        raise DataError("paired systems need the same probes")
    accepted(impostors, far)  # refuses no impostors, and a FAR that is none
    known = _Clusters(systems[0].genuine_people, genuine)
    strangers = _Clusters(systems[0].impostor_people, impostors)
    orders = [np.argsort(-system.impostors, kind="stable") for system in systems]
    detected = [detected_scores(system.genuine, rank) for system in systems]
    random = np.random.default_rng(seed)
    result = np.empty((len(systems), replicates))
    step = max(1, _DRAWS // max(genuine, impostors))
    for first in range(0, replicates, step):
        count = min(step, replicates - first)
        drawn, sample = strangers.draw(random, count), known.draw(random, count)
        allowed = [accepted(int(size), far) for size in drawn @ strangers.sizes]
        weight = sample[:, known.place]
        for s, system in enumerate(systems):
            limits = _limits(system.impostors, orders[s], drawn, strangers.place, np.array(allowed))
            found = (weight * (detected[s] > limits[:, None])).sum(axis=1)
            result[s, first : first + count] = found / weight.sum(axis=1)
    return result


class _Clusters:
    """Probes by person: (probes,) the place of each one's person, (people,) how many each has."""

    def __init__(self, people: Rows | None, probes: int) -> None:
        numbers = np.arange(probes) if people is None else people
        self.place = np.unique(numbers, return_inverse=True)[1]
        self.sizes = np.bincount(self.place)

    def draw(self, random: np.random.Generator, replicates: int) -> Rows:
        """(replicates, people): how often each comes when as many are drawn as there are."""
        shape = (replicates, len(self.sizes))
        drawn = random.integers(0, shape[1], shape) + shape[1] * np.arange(replicates)[:, None]
        return np.bincount(drawn.ravel(), minlength=shape[0] * shape[1]).reshape(shape)


def _limits(impostors: Floats, order: Rows, drawn: Rows, place: Rows, allowed: Rows) -> Floats:
    """(replicates,) scores above which no more than `allowed` impostors are; −∞ where all may pass.

    Args:
        impostors, order: (I,) scores, and the order from the highest.
        drawn, place: (replicates, people) how often each is in a sample, (I,) the person of each score.
        allowed: (replicates,) impostors.
    """
    count = 2 * int(allowed.max()) + 64
    while True:  # the highest `count` are enough, but for rare samples
        top = order[:count]
        refused = np.cumsum(drawn[:, place[top]], axis=1) > allowed[:, None]
        enough = refused.any(axis=1)
        if enough.all() or count >= len(order):
            return np.where(enough, impostors[top][refused.argmax(axis=1)], -np.inf)
        count *= 2


def _interval(rate: float, variance: float, probes: int, people: int) -> Interval:
    """Wilson's interval for a rate over `probes` with this variance; where all are alike, of the people."""
    if people < 2:
        return 0.0, 1.0
    spread = rate * (1 - rate)
    trials = min(spread / variance, probes) if spread > 0 and variance > 0 else people
    return wilson(rate, trials, float(special.stdtrit(people - 1, 0.975)))


def accepted(impostors: int, far: float) -> int:
    """The largest number of `impostors` whose share does not exceed `far`, decided as share ≤ far is.

    Raises:
        DataError: `far` outside [0, 1], or no impostors.

    Example:
        >>> accepted(1000, 0.001), accepted(999, 0.001)
        (1, 0)
    """
    if not impostors:
        raise DataError("no impostors: a false accept rate needs some")
    if not 0 <= far <= 1:
        raise DataError(f"a false accept rate lies between 0 and 1; {far} does not")
    count = min(int(far * impostors) + 1, impostors)
    while count / impostors > far:
        count -= 1
    return count


def detected_scores(found: Found, rank: int) -> Floats:
    """(P,) the score of each probe's best mate where its rank is good enough, −∞ elsewhere."""
    return np.where(found.rank <= rank, found.score, -np.inf)


def _descending(scores: Floats) -> Floats:
    if not len(scores):
        raise DataError("no impostors: a false accept rate needs some")
    return np.sort(scores)[::-1]
