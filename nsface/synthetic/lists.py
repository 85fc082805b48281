"""Who is in the synthetic benchmarks and which trials they make: numbers in, lists out, no images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from nsface.errors import DataError
from nsface.synthetic.draws import Draws
from nsface.synthetic.identity import TEST, Person
from nsface.synthetic.names import name_of

# First part of the key of each stream of draws; images use the person's own streams.
_COUNTS, _TRIALS = 10, 11
_LOOK_ALIKE_USES = 4  # so that one average face does not stand in half of a fold's negatives


@dataclass(frozen=True)
class Member:
    """Person `number` of the test population, with `count` images (or videos)."""

    number: int
    count: int

    @property
    def name(self) -> str:
        return name_of(self.number)

    def image(self, index: int) -> str:
        """Path of image `index` (from 1) in LFW's form."""
        return f"{self.name}/{self.name}_{index:04d}.jpg"


Fold = list[Member]
Picture = tuple[Member, int]  # a member and the number of an image (from 1) or of a video (from 0)
Pair = tuple[Picture, Picture]


def lfw_people(folds: int, pairs: int) -> int:
    """People in an LFW-shaped set of that size, in LFW's own proportion (5,749 to ten folds of 300 pairs)."""
    return folds * max(8, round(pairs * 5749 / 3000))


def lfw_folds(seed: int, folds: int, pairs: int, people: int) -> list[Fold]:
    """People in identity-disjoint folds, by name; about three in ten have several images, as in LFW.

    Raises:
        DataError: too few people for the folds and pairs asked for.
    """
    _require(folds >= 2 and pairs >= 1, "at least two folds and one pair are needed")
    result = []
    for fold in range(folds):
        draws = Draws(seed, _COUNTS, fold)
        numbers = range(people * fold // folds, people * (fold + 1) // folds)
        several = [i for i in range(len(numbers)) if i % 10 < 3]
        counts = [min(1 + _extra(draws), 40) if i % 10 < 3 else 1 for i in range(len(numbers))]
        _require(len(numbers) >= 2, f"{people} people are too few for {folds} folds")
        while sum(n * (n - 1) // 2 for n in counts) < pairs:
            counts[draws.choice(several)] += 1
        # Even numbers: the odd ones are people who appear in videos only.
        members = [Member(2 * number, count) for number, count in zip(numbers, counts, strict=True)]
        result.append(sorted(members, key=lambda member: member.name))
    return result


def _extra(draws: Draws) -> int:
    """Images beyond the first of someone who has several: at least 1, mean 4.3 as in LFW."""
    extra = 1
    while draws.chance(0.77):
        extra += 1
    return extra


def video_folds(seed: int, folds: int, pairs: int, familiar: Sequence[int]) -> list[Fold]:
    """People with videos, in identity-disjoint folds: the `familiar` numbers, and others as needed."""
    _require(folds >= 2 and pairs >= 1, "at least two folds and one pair are needed")
    result = []
    newcomers = 0
    for fold in range(folds):
        draws = Draws(seed, _COUNTS, 1000 + fold)
        numbers = list(familiar[len(familiar) * fold // folds : len(familiar) * (fold + 1) // folds])
        missing = max(4, round(pairs * 1595 / 2500)) - len(numbers)
        numbers += [2 * (newcomers + i) + 1 for i in range(missing)]
        newcomers += max(missing, 0)
        counts = [1 + draws.below(4) for _ in numbers]
        while sum(n * (n - 1) // 2 for n in counts) < pairs:
            counts[draws.below(len(counts))] += 1
        members = [Member(number, count) for number, count in zip(numbers, counts, strict=True)]
        result.append(sorted(members, key=lambda member: member.name))
    return result


def subjects(folds: Sequence[Fold]) -> list[Member]:
    """One in three of those with several images (LFW: 596 of 1,680), who also appear in videos."""
    several = [member for fold in folds for member in fold if member.count > 1]
    return several[::3]


def same_pairs(seed: int, fold: int, members: Fold, pairs: int, first: int = 1) -> list[Pair]:
    """`pairs` distinct pairs of images of one person, by name; images are numbered from `first`."""
    found = [
        ((member, i), (member, j))
        for member in members
        for i, j in combinations(range(first, first + member.count), 2)
    ]
    chosen = Draws(seed, _TRIALS, fold, 0).shuffled(found)[:pairs]
    return sorted(chosen, key=_order)


def different_pairs(seed: int, fold: int, members: Fold, pairs: int, first: int = 1) -> list[Pair]:
    """`pairs` distinct pairs of images of two people, by name.

    Raises:
        DataError: the fold has too few images.
    """
    images = sum(member.count for member in members)
    possible = (images**2 - sum(member.count**2 for member in members)) // 2
    _require(pairs <= possible, f"{len(members)} people a fold are too few for {pairs} pairs")
    draws = Draws(seed, _TRIALS, fold, 1)
    chosen: set[Pair] = set()
    while len(chosen) < pairs:
        a, b = sorted((draws.below(len(members)), draws.below(len(members))))
        if a != b:
            left, right = members[a], members[b]
            chosen.add(((left, first + draws.below(left.count)), (right, first + draws.below(right.count))))
    return sorted(chosen, key=_order)


def look_alike_pairs(seed: int, fold: int, members: Fold, pairs: int) -> list[Pair]:
    """`pairs` distinct pairs of images of two people who look alike: the nearest by their traits."""
    near = _nearest(seed, members, pairs)
    draws = Draws(seed, _TRIALS, fold, 2)
    chosen: set[Pair] = set()
    allowed = _LOOK_ALIKE_USES
    while len(chosen) < pairs:  # each round allows more uses; small folds need several
        uses: Counter[int] = Counter()
        for a, b in near:
            if len(chosen) < pairs and uses[a] < allowed and uses[b] < allowed:
                left, right = members[a], members[b]
                chosen.add(((left, 1 + draws.below(left.count)), (right, 1 + draws.below(right.count))))
                uses.update((a, b))
        allowed += _LOOK_ALIKE_USES
    return sorted(chosen, key=_order)


def _nearest(seed: int, members: Fold, pairs: int) -> list[tuple[int, int]]:
    """Pairs of positions in `members`, the most alike first; enough for `pairs` pairs of images."""
    traits = np.array([Person.draw(seed, TEST, member.number).traits for member in members])
    neighbours = 8
    while True:
        found: set[tuple[int, int, int]] = set()
        for a in range(len(members)):
            distances = ((traits - traits[a]) ** 2).sum(axis=1)  # of integers: exact
            for b in np.argsort(distances, kind="stable")[: neighbours + 1].tolist():
                if a != b:
                    found.add((int(distances[b]), min(a, b), max(a, b)))
        near = [(a, b) for _, a, b in sorted(found)]
        if sum(members[a].count * members[b].count for a, b in near) >= pairs or neighbours >= len(members):
            return near
        neighbours *= 2


def _order(pair: Pair) -> tuple[str, int, str, int]:
    (left, i), (right, j) = pair
    return left.name, i, right.name, j


def people_text(folds: Sequence[Fold]) -> str:
    """`people.txt`: the number of folds; for each the number of people, then lines `name<TAB>images`."""
    blocks = [[str(len(fold)), *(f"{member.name}\t{member.count}" for member in fold)] for fold in folds]
    return "\n".join([str(len(folds)), *(line for block in blocks for line in block)]) + "\n"


def pairs_text(folds: Sequence[tuple[list[Pair], list[Pair]]]) -> str:
    """`pairs.txt`: `folds<TAB>pairs`, then per fold the lines of the same and those of different people."""
    lines = [f"{len(folds)}\t{len(folds[0][0])}"]
    for same, different in folds:
        lines += [f"{left.name}\t{i}\t{j}" for (left, i), (_, j) in same]
        lines += [f"{left.name}\t{i}\t{right.name}\t{j}" for (left, i), (right, j) in different]
    return "\n".join(lines) + "\n"


def look_alike_text(folds: Sequence[tuple[list[Pair], list[Pair]]]) -> str:
    """`pair_FGLFW.txt`: a path a line, two lines a pair; per fold the same people, then look-alikes."""
    pairs = [pair for same, different in folds for pair in (*same, *different)]
    return "".join(f"{member.image(index)}\n" for pair in pairs for member, index in pair)


def splits_text(folds: Sequence[tuple[list[Pair], list[Pair]]]) -> str:
    """YTF's `splits.txt`: `split, index, video, video, same`; a video is `name/number`."""
    lines = []
    for split, kinds in enumerate(folds, 1):
        trials = [(*pair, same) for same, pairs in zip((1, 0), kinds, strict=True) for pair in pairs]
        for index, ((left, i), (right, j), same) in enumerate(trials, 1):
            lines.append(f"{split}, {index}, {left.name}/{i}, {right.name}/{j}, {same}\n")
    return "".join(lines)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise DataError(f"the synthetic set cannot be made: {message}")
