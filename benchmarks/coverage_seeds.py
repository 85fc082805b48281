"""Simulated trainings with several seeds: the intervals and tests of `nsface runs` and of the report."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from coverage_page import Row

from nsface.metrics.statistics import holm
from nsface.report.comparisons import compare_seeds
from nsface.results import Difference

SPREAD = 0.003  # standard deviation of the accuracy of a recipe over seeds
PAIRS = 6000
GAIN = 0.01  # of the first recipe over the second, where an interval is to hold it
OTHERS = 3  # recipes that are compared with one baseline


def accuracies(
    random: np.random.Generator, mean: float, shared: float, recipes: int, seeds: int, replicates: int
) -> npt.NDArray[np.float64]:
    """(replicates, recipes, seeds): equally good recipes on a list of PAIRS.

    What a seed does to the accuracy is skewed, with a longer tail below. The share `shared` of its variance
    is the same for all recipes.
    """

    def skewed(*shape: int) -> npt.NDArray[np.float64]:
        """Mean 0 and variance 1."""
        return 2 * (1 - random.gamma(4, 1 / 4, shape))

    effect = np.sqrt(shared) * skewed(replicates, 1, seeds)
    effect = effect + np.sqrt(1 - shared) * skewed(replicates, recipes, seeds)
    found: npt.NDArray[np.float64] = random.binomial(PAIRS, np.clip(mean + SPREAD * effect, 0, 1)) / PAIRS
    return found


def trained(seeds: int, mean: float, shared: float, replicates: int, seed: int) -> list[Row]:
    """The rows of recipes that are trained with so many seeds."""
    random = np.random.default_rng(seed)
    held: dict[str, list[bool]] = {}
    rejected: dict[str, list[bool]] = {}
    compared = accuracies(random, mean, shared, 1 + OTHERS, seeds, replicates)
    more = accuracies(random, mean, shared, 1, seeds, replicates)[:, 0]  # the baseline with other seeds
    for (base, *others), further in zip(compared, more, strict=True):
        one, other = _by_seed(others[0]), _by_seed(base)
        elsewhere = {1000 + key: value for key, value in _by_seed(further).items()}
        for name, second in (("paired t over seeds", other), ("Welch's t over other seeds", elsewhere)):
            better = compare_seeds("accuracy", {key: value + GAIN for key, value in one.items()}, second)
            if better.interval is not None:  # all differences are equal, which is rare
                held.setdefault(name, []).append(better.interval[0] <= GAIN <= better.interval[1])
                rejected.setdefault(name, []).append(_p(compare_seeds("accuracy", one, second)) <= 0.05)
        p = [_p(compare_seeds("accuracy", _by_seed(values), other)) for values in others]
        rejected.setdefault(f"Holm, any of {OTHERS}", []).append(min(holm(p)) <= 0.05)
    group = f"{seeds} seeds; by accuracy"
    return [
        Row(what, group, mean, shared, test, float(np.mean(cases)), len(cases))
        for test, found in ((False, held), (True, rejected))
        for what, cases in found.items()
    ]


def _by_seed(values: npt.NDArray[np.float64]) -> dict[int, float]:
    return dict(enumerate(values.tolist()))


def _p(found: Difference) -> float:
    """p; 1 where all differences are equal, by which nothing is called better."""
    return 1.0 if found.p is None else found.p
