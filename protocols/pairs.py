"""Any list of pairs: `name<TAB>name<TAB>0|1`, with a fold as fourth column or without."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nsface.names import plain
from nsface.protocols.lists import read_lines
from nsface.protocols.trials import Trials, identity, trials

FOLDS = 10


def read_pairs(path: str | os.PathLike[str]) -> Trials:
    """Read a list of pairs. Without a fold column all are in one fold.

    Raises:
        DataError: a malformed line, a pair of one image with itself, or folds on some lines only.
    """
    lines = read_lines(path)
    with_folds = lines[0].text.count("\t") == 3
    form = "name<TAB>name<TAB>0|1" + ("<TAB>fold" if with_folds else "")
    pairs = []
    for line in lines:
        fields = line.fields(3 + with_folds, form, separator="\t")
        left, right = plain(fields[0]), plain(fields[1])
        if left == right:
            raise line.error(f"'{left}' is paired with itself", "two images are needed")
        fold = line.integer(fields[3], "fold", lowest=0) if with_folds else 0
        pairs.append((left, right, line.flag(fields[2]), fold))
    return trials(pairs, str(path))


def with_disjoint_folds(wanted: Trials, folds: int = FOLDS) -> Trials | None:
    """The same pairs in `folds` folds that share no person; None where that cannot be done.

    People linked by a pair must stay together. Groups so linked are dealt out, the largest first, each to the
    fold with the fewest pairs. It fails where names have no folder that says who they are, where there are
    fewer groups than folds, or where one group is so large that its fold would hold more than twice its
    share.
    """
    people = [identity(name) for name in wanted.left + wanted.right]
    if not all(people):
        return None
    group = _linked(people)
    sizes = np.bincount(group)
    if len(sizes) < folds:
        return None
    filled = np.zeros(folds, dtype=np.int64)
    fold_of = np.empty(len(sizes), dtype=np.int64)
    for number in np.argsort(-sizes, kind="stable"):
        fold_of[number] = np.argmin(filled)
        filled[fold_of[number]] += sizes[number]
    if filled.max() > 2 * len(wanted) / folds:
        return None
    return replace(wanted, fold=fold_of[group])


def _linked(people: list[str]) -> npt.NDArray[np.int64]:
    """(P,) group of each pair, from 2P people, left ones first; people of one pair are in one group."""
    parent = {person: person for person in people}

    def root(person: str) -> str:
        while parent[person] != person:
            parent[person] = parent[parent[person]]
            person = parent[person]
        return person

    half = len(people) // 2
    for left, right in zip(people[:half], people[half:], strict=True):
        parent[root(left)] = root(right)
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(root(p), len(numbers)) for p in people[:half]], dtype=np.int64)
