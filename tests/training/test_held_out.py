"""Identities that are held out, and the pairs made of them."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from nsface.errors import DataError, RecipeError
from nsface.protocols.pairs import read_pairs
from nsface.training.held_out import FOLDS, PAIRS, held_out_identities, held_out_pairs, pairs_text


def names(*counts: int) -> dict[str, list[str]]:
    """As many images as `counts` say of each of as many people."""
    return {f"p{p:02d}": [f"p{p:02d}/{n}.jpg" for n in range(count)] for p, count in enumerate(counts)}


def test_identities_are_drawn_by_the_seed_among_those_with_two_images() -> None:
    images = {"one": 1} | {f"p{number}": 2 + number for number in range(30)}
    drawn = {tuple(held_out_identities(10, seed, images)) for seed in range(20)}
    assert len(drawn) == 20
    assert all(len(set(names)) == 10 and "one" not in names for names in drawn)
    assert held_out_identities(10, 3, dict(reversed(images.items()))) == held_out_identities(10, 3, images)
    assert len({name for names in drawn for name in names}) == 30, "each may be drawn"
    with pytest.raises(RecipeError, match="31 identities cannot be held out; 30 have two images or more"):
        held_out_identities(31, 0, images)


@pytest.mark.parametrize("counts", [[2] * 4, [3, 9, 2, 2, 5], [40] * 20, [2, 3, 200] * 11])
def test_pairs_are_balanced_distinct_and_of_people_in_one_fold(counts: list[int], tmp_path: Path) -> None:
    images = names(*counts)
    pairs = held_out_pairs(images, 5)
    assert pairs == held_out_pairs(images, 5)
    assert pairs != held_out_pairs(images, 6)
    folds = min(FOLDS, len(counts) // 2)
    kinds = Counter((fold, same) for _, _, same, fold in pairs)
    for fold in range(folds):
        assert 0 < kinds[fold, True] == kinds[fold, False] <= PAIRS
    assert len(kinds) == 2 * folds
    assert len({frozenset(pair[:2]) for pair in pairs}) == len(pairs)
    fold_of: dict[str, set[int]] = {}
    for left, right, same, fold in pairs:
        people = [name.split("/")[0] for name in (left, right)]
        assert left != right
        assert (people[0] == people[1]) == same
        for person in people:
            fold_of.setdefault(person, set()).add(fold)
    assert set(fold_of) == set(images)
    assert all(len(of_one) == 1 for of_one in fold_of.values())

    (tmp_path / "pairs.txt").write_text(pairs_text(pairs))
    read = read_pairs(tmp_path / "pairs.txt")
    assert list(zip(read.left, read.right, read.same.tolist(), read.fold.tolist(), strict=True)) == pairs


def test_everyone_has_nearly_equally_many_pairs_and_all_where_there_are_few() -> None:
    few = held_out_pairs(names(2, 3, 4, 3), 0)
    same = {frozenset(pair[:2]) for pair in few if pair[2]}
    assert same == {frozenset(two) for one in names(2, 3, 4, 3).values() for two in combinations(one, 2)}
    many = held_out_pairs(names(*[50] * 20), 0)
    per_person = Counter(left.split("/")[0] for left, _, kind, _ in many if kind)
    assert set(per_person.values()) == {150}


def test_a_name_that_no_list_can_hold_is_refused() -> None:
    with pytest.raises(DataError, match=r"no list can hold the name 'a\\tb/1\.jpg'; rename it"):
        pairs_text([("a\tb/1.jpg", "a/2.jpg", True, 0)])
