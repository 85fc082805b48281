"""How often the intervals and tests over seeds that `nsface runs` prints are right, in simulations."""

from __future__ import annotations

import numpy as np
import pytest
from coverage_page import Row
from coverage_seeds import SPREAD, accuracies, trained


def test_seeds_have_the_spread_and_share_what_they_should() -> None:
    first, second = np.moveaxis(accuracies(np.random.default_rng(0), 0.9, 0.5, 2, 5, 20_000), 1, 0)
    of_pairs = 0.9 * 0.1 / 6000
    assert first.var() == pytest.approx(SPREAD**2 + of_pairs, rel=0.05)
    assert np.cov(first.ravel(), second.ravel())[0, 1] == pytest.approx(SPREAD**2 / 2, rel=0.1)
    assert first.mean() == pytest.approx(0.9, abs=1e-4)
    assert ((first - first.mean()) ** 3).mean() < 0


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_hold_and_tests_reject_as_they_say(seeds: int) -> None:
    rows = {(row.what, row.test): row for row in trained(seeds, 0.9, 0.5, 600, seeds)}
    for what in ("paired t over seeds", "Welch's t over other seeds"):
        assert 0.92 <= rows[what, False].share <= 0.98
        assert 0.02 <= rows[what, True].share <= 0.08
    assert isinstance(rows["Holm, any of 3", True], Row)
    assert rows["Holm, any of 3", True].share <= 0.07
