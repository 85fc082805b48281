"""Verification trials: pairs of images, whether they show one person, and the fold each belongs to."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError, listing, shown
from nsface.names import stem
from nsface.protocols.lists import read_lines

_MOST_FOLDS = 100
_CONTRADICTIONS = 0.05  # of the pairs: a list may have a few wrong labels, or be corrected by errata


def identity(name: str) -> str:
    """The folder of an image name; "" where it has none.

    Example:
        >>> identity("Aaron_Eckhart/Aaron_Eckhart_0001.jpg")
        'Aaron_Eckhart'
    """
    return name.rpartition("/")[0]


@dataclass(frozen=True)
class Trials:
    """P pairs of names.

    Attributes:
        left, right: P names each, as in the embeddings file.
        same: (P,) booleans, true where both names show one person.
        fold: (P,) integers from 0.
        source: the list that they come from, for messages.
        person: of a name, the person; the folder, unless the names of a benchmark say it otherwise.

    Example:
        >>> pairs = [("Ann/1.jpg", "Ann/2.jpg", True, 0), ("Ann/1.jpg", "Bo/1.jpg", False, 1)]
        >>> made = trials(pairs, source="my list")
        >>> len(made), made.folds, made.same.tolist()
        (2, 2, [True, False])
        >>> made.people_in_several_folds()
        ['Ann']
    """

    left: list[str]
    right: list[str]
    same: npt.NDArray[np.bool_]
    fold: npt.NDArray[np.int64]
    source: str
    person: Callable[[str], str] = field(default=identity, kw_only=True)

    def __len__(self) -> int:
        return len(self.left)

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return len(np.unique(self.fold))

    @cached_property
    def fold_place(self) -> npt.NDArray[np.int64]:
        """(P,) place of each pair's fold among the folds, from 0."""
        return np.asarray(np.unique(self.fold, return_inverse=True)[1])

    @cached_property
    def contradictions(self) -> int:
        """How many pairs are of one person in two folders, or of two people in one folder."""
        return sum(
            bool(one) and bool(two) and (one == two) != same
            for one, two, same in zip(*self._folders, self.same.tolist(), strict=True)
        )

    @property
    def folders_are_people(self) -> bool:
        """Whether the folders of the names say who is who, as far as the labels tell.

        In `PERSON/frontal/1.jpg` or `camera-2/1.jpg` they do not.
        """
        return self.contradictions <= _CONTRADICTIONS * len(self)

    @cached_property
    def _folders(self) -> list[list[str]]:
        return [[self.person(name) for name in side] for side in (self.left, self.right)]

    def people_in_several_folds(self) -> list[str]:
        """Identities (the folder of a name) met in more than one fold, sorted: none in a sound protocol, and
        none where folders are not people."""
        met: dict[str, set[int]] = {}
        if not self.folders_are_people:
            return []
        for names in (self.left, self.right):
            for name, fold in zip(names, self.fold.tolist(), strict=True):
                if person := self.person(name):  # a name without a folder does not say who it is
                    met.setdefault(person, set()).add(fold)
        return sorted(person for person, folds in met.items() if len(folds) > 1)

    @cached_property
    def people(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
        """Who is in each pair, as numbers, (P,) for left and right; None where a name has no folder, or where
        folders are not people."""
        names = self._folders
        if not all(map(all, names)) or not self.folders_are_people:
            return None
        left, right = numbered(names[0] + names[1]).reshape(2, -1)
        return left, right

    def repeated(self) -> int:
        """How many pairs occur again, in either order; each counts as often as it is listed."""
        return len(self) - len({frozenset(pair) for pair in zip(self.left, self.right, strict=True)})

    def notes(self) -> list[str]:
        """Sentences on what makes a result on these pairs doubtful."""
        found = []
        if self.folds > 1 and (people := self.people_in_several_folds()):
            found.append(
                f"{shown(self.source)}: {len(people)} people occur in several folds ({listing(people, 3)}): "
                "a threshold was chosen on people on whom it is tested"
            )
        if not self.folders_are_people:
            found.append(
                f"{shown(self.source)}: {self.contradictions} of {len(self)} pairs show one person in two "
                "folders, or two people in one: folders are not taken for people, and no interval is "
                "identity-aware"
            )
        if count := self.repeated():
            found.append(
                f"{shown(self.source)}: {count} pairs are repeated; each counts as often as it is listed"
            )
        return found

    def with_labels(self, path: str | os.PathLike[str]) -> Trials:
        """These trials with labels replaced by a list of errata: `name name 0|1` a line, in either order.

        Raises:
            DataError: a malformed line, a pair that is no trial here, or a label that corrects nothing.
        """
        places: dict[frozenset[str], list[int]] = {}
        for place, pair in enumerate(zip(self.left, self.right, strict=True)):
            places.setdefault(frozenset(map(stem, pair)), []).append(place)
        labels = self.same.copy()
        seen: dict[frozenset[str], int] = {}
        for line in read_lines(path):
            left, right, label = line.fields(3, "image image 0|1")
            key = frozenset((stem(left), stem(right)))
            found = places.get(key)
            pictured = f"'{shown(left)}' and '{shown(right)}'"
            if found is None:
                raise line.error(f"{pictured} are no pair of {shown(self.source)}", "correct the names")
            if seen.setdefault(key, line.number) != line.number:
                raise line.error(f"{pictured} stand in line {seen[key]} already", "remove one")
            if len({frozenset((self.left[place], self.right[place])) for place in found}) > 1:
                raise line.error(
                    f"{pictured} may be several pairs of {shown(self.source)}", "leave out one of its images"
                )
            if bool(labels[found[0]]) == line.flag(label):
                raise line.error(f"the label of this pair is {label} already", "remove the line")
            labels[found] = line.flag(label)
        return Trials(self.left, self.right, labels, self.fold, self.source, person=self.person)


def numbered(people: Sequence[str]) -> npt.NDArray[np.int64]:
    """(N,) a number for the person of each name; each empty name is a person of its own.

    Example:
        >>> numbered(["Ann", "Bo", "Ann", "", ""]).tolist()
        [0, 1, 0, 2, 3]
    """
    known: dict[str | int, int] = {}
    return np.array(
        [known.setdefault(person or place, len(known)) for place, person in enumerate(people)], dtype=np.int64
    )


def trials(
    pairs: list[tuple[str, str, bool, int]], source: str, person: Callable[[str], str] = identity
) -> Trials:
    """`Trials` from a tuple (left, right, same, fold) for each pair, and `person` as there.

    Raises:
        DataError: there are no pairs, or more than 100 folds: each takes a threshold of its own.
    """
    if not pairs:
        raise DataError(f"{shown(source)}: no pairs")
    left, right, same, fold = zip(*pairs, strict=True)
    if (folds := len(set(fold))) > _MOST_FOLDS:
        raise DataError(f"{shown(source)}: {folds:,} folds; number them 1 to 10, or at most {_MOST_FOLDS}")
    folds_of, labels = np.array(fold, dtype=np.int64), np.array(same, dtype=bool)
    return Trials(list(left), list(right), labels, folds_of, source, person=person)
