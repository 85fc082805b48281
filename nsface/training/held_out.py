"""Identities of the training set that are held out of the training, and pairs made of their images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import comb, isqrt
from random import Random

from nsface.errors import DataError, RecipeError, shown
from nsface.seeds import derived_seed

FOLDS = 10
PAIRS = 300  # of each kind in a fold at most, as in LFW

Pair = tuple[str, str, bool, int]  # two names, whether they show one person, and the fold


def held_out_identities(count: int, seed: int, images: Mapping[str, int]) -> list[str]:
    """`count` identities with at least two images each, drawn by `seed`, in the order of the draw.

    Args:
        images: how many images there are of each identity that could be trained on.

    Raises:
        RecipeError: there are not so many.

    Example:
        >>> held_out_identities(1, 0, {"Ann": 1, "Bo": 2})
        ['Bo']
    """
    several = sorted(name for name, number in images.items() if number > 1)
    if count > len(several):
        raise RecipeError(
            f"validate.held_out: {count} identities cannot be held out; {len(several)} have two "
            "images or more"
        )
    numbers = sorted(range(len(several)), key=lambda number: derived_seed(seed, "held out", number))
    return [several[number] for number in numbers[:count]]


def held_out_pairs(images: Mapping[str, Sequence[str]], seed: int) -> list[Pair]:
    """Pairs of `images`, which are names by identity: in each fold as many of one person as of two people.

    The identities are dealt out to ten folds, of at least two identities each; of fewer than 20 identities
    there are fewer folds. A fold has at most 300 pairs of each kind, of all its people nearly equally many as
    far as they have them. Pairs depend on the order of `images`, and on the seed.

    Example:
        >>> pairs = held_out_pairs({"Ann": ["a/1", "a/2"], "Bo": ["b/1", "b/2"]}, seed=0)
        >>> [same for _, _, same, _ in pairs]
        [True, True, False, False]
    """
    people = list(images)
    folds = min(FOLDS, len(people) // 2)
    pairs: list[Pair] = []
    for fold in range(folds):
        random = Random(derived_seed(seed, "held-out pairs", fold))
        here = [images[person] for person in people[fold::folds]]
        different = list(combinations(here, 2))
        sizes = [comb(len(one), 2) for one in here], [len(one) * len(two) for one, two in different]
        count = min(PAIRS, *map(sum, sizes))
        for group, number in _drawn(sizes[0], count, random):
            first, second = _two(number)
            pairs.append((here[group][first], here[group][second], True, fold))
        for group, number in _drawn(sizes[1], count, random):
            one, two = different[group]
            pairs.append((one[number // len(two)], two[number % len(two)], False, fold))
    return pairs


def pairs_text(pairs: Iterable[Pair]) -> str:
    """`pairs` as a list that `nsface eval-pairs` reads.

    Raises:
        DataError: a name that no line of a list can hold.
    """
    lines = []
    for left, right, same, fold in pairs:
        for name in (left, right):
            check_line(name)
        lines.append(f"{left}\t{right}\t{int(same)}\t{fold}\n")
    return "".join(lines)


def check_line(name: str) -> None:
    """Refuse a name that would be more than one field of one line in a list.

    Raises:
        DataError: with the remedy.
    """
    if any(letter in name for letter in "\t\n\r") or name.strip() != name:
        raise DataError(
            f"validate.held_out: no list can hold the name '{shown(name)}'; rename it, or put its identity "
            "under exclude"
        )


def _drawn(sizes: Sequence[int], count: int, random: Random) -> list[tuple[int, int]]:
    """`count` different (group, number below its size), from groups of `sizes` as evenly as that is possible.

    In the order of the groups; there are at least `count` in all.
    """
    order = list(range(len(sizes)))
    random.shuffle(order)
    taken, left = dict.fromkeys(order, 0), count
    while left:
        for group in order:
            if left and taken[group] < sizes[group]:
                taken[group] += 1
                left -= 1
    return [
        (group, number)
        for group in sorted(order)
        for number in sorted(random.sample(range(sizes[group]), taken[group]))
    ]


def _two(number: int) -> tuple[int, int]:
    """Two different places, the first below the second, of the pair called `number` among all such pairs.

    Example:
        >>> [_two(number) for number in range(4)]
        [(0, 1), (0, 2), (1, 2), (0, 3)]
    """
    second = (isqrt(8 * number + 1) + 1) // 2
    return number - comb(second, 2), second
