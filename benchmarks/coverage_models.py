"""What `coverage.py` simulates: lists of pairs and of probes, and scores with and without person effects.

Scores are normal: a pair of one person has mean d, a pair of two has mean 0, both have variance 1, of which
the share ρ comes from the people: √ρ v_i for a pair of one person, √(ρ/2) (u_i + u_j) for one of two. With
equal numbers of both, the best threshold is d/2 and the best accuracy Φ(d/2). Two systems that are compared
have the same law and scores that correlate by one half: the null hypothesis is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from nsface.protocols.lfw import read_pairs
from nsface.protocols.trials import Trials, trials

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """A list of pairs, and who is in them."""

    name: str
    trials: Trials
    left: Rows
    right: Rows

    def system(self, random: np.random.Generator, effect: float) -> Floats:
        """(P,) scores of mean 0."""
        people = int(max(self.left.max(), self.right.max())) + 1
        alone, together = random.normal(size=(2, people))
        person = np.where(
            self.trials.same, alone[self.left], (together[self.left] + together[self.right]) / np.sqrt(2)
        )
        return mixed(person, random.normal(size=len(self.left)), effect)

    def systems(self, random: np.random.Generator, distance: float, effect: float) -> list[Floats]:
        """Scores of two systems, equally good."""
        shared, *own = (self.system(random, effect) for _ in range(3))
        return [distance * self.trials.same + (shared + one) / np.sqrt(2) for one in own]


def distance_for(accuracy: float) -> float:
    """The distance of the means at which the best threshold has this accuracy."""
    return float(2 * norm.ppf(accuracy))


def pairs_of(name: str, listed: Trials) -> Pairs:
    """A list whose names have folders."""
    people = listed.people
    assert people is not None
    return Pairs(name, listed, *people)


def lfw(data: Path) -> Pairs:
    """LFW's View 2, or one like it where the list is not there: 6,000 pairs of some 4,300 people."""
    path = data / "lists" / "pairs.txt"
    if path.exists():
        return pairs_of("LFW, 6,000 pairs of 4,281 people", read_pairs(path))
    return small(4300, 6000, "like LFW, 6,000 pairs of 4,300 people")


def small(people: int, pairs: int, name: str | None = None, folds: int = 10) -> Pairs:
    """Pairs of random people, in folds that share none, half of them of one person. Always the same."""
    random = np.random.default_rng(people)
    each, rows = people // folds, []
    for place in range(pairs):
        fold, same = place * folds // pairs, place % 2 == 0
        first = int(random.integers(each))
        second = first if same else (first + int(random.integers(1, each))) % each
        names = (f"{fold}-{person}/{place}-{side}" for side, person in enumerate((first, second)))
        rows.append((next(names), next(names), same, fold))
    return pairs_of(name or f"{pairs:,} pairs of {people:,} people", trials(rows, "simulated"))


def clusters(random: np.random.Generator, people: int, images: float) -> Rows:
    """(N,) who is on each image: everybody on at least one, on `images` in the mean (geometric)."""
    return np.repeat(np.arange(people), random.geometric(1 / images, people))


def probe_scores(random: np.random.Generator, people: Rows, effect: float) -> Floats:
    """(N,) scores of mean 0 and variance 1 for images of `people`."""
    person = random.normal(size=int(people.max()) + 1)[people]
    return mixed(person, random.normal(size=len(people)), effect)


def mixed(person: Floats, own: Floats, effect: float) -> Floats:
    """Scores whose variance, 1, is `effect` the person's and the rest their own."""
    scores: Floats = np.sqrt(effect) * person + np.sqrt(1 - effect) * own
    return scores


def two_probe_scores(random: np.random.Generator, people: Rows, effect: float) -> list[Floats]:
    """The same for two systems whose scores correlate by one half."""
    shared, *own = (probe_scores(random, people, effect) for _ in range(3))
    return [(shared + one) / np.sqrt(2) for one in own]
