"""Scores of different people, and how much the share of those that are accepted varies with the people."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.metrics.all_pairs import Vectors, highest_impostors
from nsface.metrics.similarity import Floats, Rows


class Impostors(ABC):
    """n scores of different people, of which the highest decide.

    Each is a pair of two people. The identity-aware variance of their rate (`nsface.metrics.shared_people`)
    needs the accepted pairs only: Σ over people of (accepted − expected)², less the same over couples of
    people, where as many are expected of each as their share of all pairs.

    Attributes:
        trials: n.
        people: how many people are in them; None where that is not known, and they count as independent.
        pairs: pairs that the expectations are shares of.
        pairs_of: (people,) of those that each person is in.
        couple_squares: Σ over couples of people of the square of the number of their pairs.
    """

    trials: int
    people: int | None
    pairs: int
    pairs_of: Floats
    couple_squares: float

    @abstractmethod
    def highest(self, count: int) -> tuple[Floats, Rows, Rows]:
        """At least the `count` highest scores, the highest first, and the two people of each, as numbers."""

    @abstractmethod
    def pairs_of_couples(self, one: Rows, other: Rows) -> Floats:
        """How many pairs two people have together; `one` has the lower numbers."""

    def limit(self, allowed: int) -> tuple[float, int]:
        """The highest score that is refused if `allowed` < n are accepted at most, and how many exceed it."""
        scores = self.highest(allowed + 1)[0]
        refused = float(scores[allowed])
        return refused, int((scores > refused).sum())

    def spread(self, errors: int) -> tuple[float, float]:
        """The variance of the rate where the highest `errors` are accepted, and its degrees of freedom.

        It is never below that of independent impostors. The part above is an estimate from as many people as
        it is spread over, (Σ r²)² / Σ r⁴ with r what a person has more than is expected (Satterthwaite).
        """
        independent = errors * (1 - errors / self.trials)
        if self.people is None:
            return independent / self.trials**2, np.inf
        share = errors / self.pairs
        left, right = (side[:errors] for side in self.highest(errors)[1:])
        residuals = np.bincount(np.concatenate([left, right]), minlength=self.people) - share * self.pairs_of
        codes = np.minimum(left, right) * self.people + np.maximum(left, right)
        couples, counts = np.unique(codes, return_counts=True)
        pairs = self.pairs_of_couples(couples // self.people, couples % self.people)
        products = residuals @ residuals - ((counts - share * pairs) ** 2).sum()
        products -= share**2 * (self.couple_squares - pairs @ pairs)
        effective = self.pairs_of.sum() ** 2 / (self.pairs_of @ self.pairs_of)
        variance = max(products, independent)
        if variance == independent:
            freedom = np.inf
        else:
            spread_over = (residuals @ residuals) ** 2 / (residuals**4).sum()
            freedom = spread_over * (variance / (variance - independent)) ** 2
        return float(variance) / self.trials**2 * effective / (effective - 1), float(freedom)


class ListedImpostors(Impostors):
    """Pairs of two people in a list.

    Args:
        scores: (n,).
        people: two arrays (n,) of integers, who is in each pair; None where that is not known.

    Raises:
        DataError: there are none.

    Example:
        >>> pairs = ListedImpostors([0.1, 0.4, 0.3], (np.array([0, 0, 1]), np.array([1, 2, 2])))
        >>> pairs.limit(1)
        (0.3, 1)
    """

    def __init__(self, scores: npt.ArrayLike, people: tuple[Rows, Rows] | None) -> None:
        values = np.asarray(scores, dtype=np.float64)
        if not len(values):
            raise DataError("no impostors: a threshold for a false match rate needs some")
        order = np.argsort(-values, kind="stable")
        self.trials = self.pairs = len(values)
        self.people = None
        left = right = np.zeros(self.trials, dtype=np.int64)
        if people is not None:
            names, numbers = np.unique(np.concatenate(people), return_inverse=True)
            self.people = len(names)
            self.pairs_of = np.bincount(numbers).astype(np.float64)
            left, right = numbers.reshape(2, -1)
            codes = np.minimum(left, right) * self.people + np.maximum(left, right)
            self._couples, counts = np.unique(codes, return_counts=True)
            self._counts = counts.astype(np.float64)
            self.couple_squares = float(self._counts @ self._counts)
        self._sorted = values[order], left[order], right[order]

    def highest(self, count: int) -> tuple[Floats, Rows, Rows]:
        return self._sorted

    def pairs_of_couples(self, one: Rows, other: Rows) -> Floats:
        assert self.people is not None
        return self._counts[np.searchsorted(self._couples, one * self.people + other)]


class AllImpostors(Impostors):
    """All pairs of two identities among N images, of which no more than the highest-scoring are kept.

    Args:
        vectors: (N, D) float32, not necessarily normalised; the score is the cosine.
        identities: (N,) integers.

    Raises:
        DataError: fewer than three identities: of two, nothing tells what other people would change.
    """

    def __init__(self, vectors: Vectors, identities: Rows) -> None:
        names, self._person = np.unique(identities, return_inverse=True)
        if len(names) < 3:
            raise DataError(f"{len(names)} people: pairs of at least three are needed for a threshold")
        self._vectors = vectors
        self._images = np.bincount(self._person).astype(np.float64)
        squares = self._images**2
        self.people = len(names)
        self.pairs_of = self._images * (len(identities) - self._images)
        self.couple_squares = float(squares.sum() ** 2 - (squares**2).sum()) / 2
        self.trials = self.pairs = int((len(identities) ** 2 - squares.sum()) / 2)
        self._top: tuple[Floats, Rows, Rows] = (np.empty(0), *np.empty((2, 0), dtype=np.int64))

    def highest(self, count: int) -> tuple[Floats, Rows, Rows]:
        if len(self._top[0]) < count:
            enough = min(2 * count + 64, self.trials)
            scores, left, right = highest_impostors(self._vectors, self._person, enough)
            self._top = scores, self._person[left], self._person[right]
        return self._top

    def pairs_of_couples(self, one: Rows, other: Rows) -> Floats:
        return self._images[one] * self._images[other]


class GalleryImpostors(Impostors):
    """Probes of strangers, each with its highest score in a gallery of N people.

    A probe is one trial, and meets all people in the gallery: it is N pairs, of which the one with the
    highest score is accepted, or none. So the variance has what another gallery would change.

    Args:
        scores: (n,) the highest score of each probe.
        strangers: (n,) who each probe shows, integers.
        mates: (n,) who in the gallery has that score, integers from 0 to N − 1.
        gallery: N.

    Raises:
        DataError: there are no probes.
    """

    def __init__(self, scores: npt.ArrayLike, strangers: Rows, mates: Rows, gallery: int) -> None:
        values = np.asarray(scores, dtype=np.float64)
        if not len(values):
            raise DataError("no impostors: a threshold for a false positive identification rate needs some")
        order = np.argsort(-values, kind="stable")
        names, numbers = np.unique(strangers, return_inverse=True)
        self._probes = np.bincount(numbers).astype(np.float64)
        self.trials, self.people = len(values), len(names) + gallery
        self.pairs = self.trials * gallery
        self.pairs_of = np.concatenate([self._probes * gallery, np.full(gallery, float(self.trials))])
        self.couple_squares = float(gallery * (self._probes @ self._probes))
        self._sorted = values[order], numbers[order], (len(names) + mates)[order]

    def highest(self, count: int) -> tuple[Floats, Rows, Rows]:
        return self._sorted

    def pairs_of_couples(self, one: Rows, other: Rows) -> Floats:
        return self._probes[one]
