"""How often the statistics over seeds that `nsface runs` prints are right, in simulations.

A training of one recipe reaches an accuracy that varies with the seed; a list of 6,000 pairs adds its own
chance, and what a seed has in common for both recipes correlates them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nsface.metrics.statistics import holm
from nsface.report.comparisons import compare_seeds

REPLICATES = 1000  # the standard error of a coverage of 95 % is then 0.7 points


def accuracies(rng: np.random.Generator, mean: float, arms: int, seeds: int) -> npt.NDArray[np.float64]:
    """(REPLICATES, arms, seeds): the effect of a seed is skewed, with a longer tail to lower accuracies."""
    shared = rng.normal(0, 0.002, (REPLICATES, 1, seeds))
    own = 0.003 * (1 - rng.gamma(4, 1 / 4, (REPLICATES, arms, seeds))) * 2
    return rng.binomial(6000, np.clip(mean + shared + own, 0, 1)) / 6000


def by_seed(values: npt.NDArray[np.float64]) -> dict[int, float]:
    return dict(enumerate(values.tolist()))


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("mean", [0.9, 0.98])
def test_the_paired_interval_covers_the_difference(seeds: int, mean: float) -> None:
    values = accuracies(np.random.default_rng(seeds), mean, 2, seeds)
    covered = []
    for first, second in values:
        found = compare_seeds("accuracy", by_seed(first + 0.01), by_seed(second))
        if found.interval is not None:  # it is None where all differences are equal, which is rare
            covered.append(found.interval[0] <= 0.01 <= found.interval[1])
    assert len(covered) > 0.99 * REPLICATES
    assert 0.93 <= np.mean(covered) <= 0.97


def test_of_three_recipes_that_equal_the_baseline_none_is_called_better_in_95_of_100() -> None:
    values = accuracies(np.random.default_rng(0), 0.9, 4, 5)
    wrong = 0
    for base, *others in values:
        p = [compare_seeds("accuracy", by_seed(other), by_seed(base)).p for other in others]
        wrong += min(holm([one for one in p if one is not None])) < 0.05
    assert 0.01 <= wrong / REPLICATES <= 0.06
