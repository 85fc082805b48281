"""Groups of things that pairs connect."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nsface.groups import connected_groups


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=12))
def test_groups_are_those_of_repeated_merging_and_numbered_by_their_first_things(
    pairs: list[tuple[int, int]],
) -> None:
    groups = [{thing} for thing in range(12)]
    for left, right in pairs:
        merged = next(group for group in groups if left in group) | next(g for g in groups if right in g)
        groups = [group for group in groups if not group & merged] + [merged]
    groups.sort(key=min)
    expected = [next(number for number, group in enumerate(groups) if thing in group) for thing in range(12)]
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    assert connected_groups(ends[:, 0], ends[:, 1], 12).tolist() == expected


def test_nothing_has_no_groups() -> None:
    nothing = np.empty(0, dtype=np.int64)
    assert connected_groups(nothing, nothing, 0).tolist() == []
