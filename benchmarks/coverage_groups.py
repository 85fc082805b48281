"""The part of `coverage.py` about groups of people: the summaries' intervals and the test of differences.

Genuine pairs: 3,000 of 600 people and more, whose number of pairs varies. Impostor pairs: 8,000 of random
people. An error is a score below the quantile of the group's rate, so that rates are known exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import coverage_models as models
import numpy as np
import numpy.typing as npt
from coverage_page import Row
from scipy.stats import norm

from nsface.metrics.groups import (
    difference_p_value,
    garbe,
    gini,
    max_over_geometric_mean,
    max_over_min,
    summary_interval,
)
from nsface.metrics.shared_people import SharedPeople, mean_variance

SUMMARIES = {
    "groups: max over geometric mean": max_over_geometric_mean,
    "groups: max over min": max_over_min,
    "groups: Gini": gini,
}
SHAPES = {  # the rates of the groups by that of the first
    "two equal": (1, 1),
    "three equal": (1, 1, 1),
    "1 : 2 : 2": (1, 2, 2),
    "1 : 2 : 4": (1, 2, 4),
    "five equal, one three times": (1, 1, 1, 1, 1, 3),
}
PEOPLE = 300  # of each group
PERMUTATIONS = 199


def by_group(shape: str, rate: float, effect: float, replicates: int, seed: int) -> list[Row]:
    """Intervals of the summaries; the test, where the rates are equal."""
    random, truth = np.random.default_rng(seed), rate * np.array(SHAPES[shape], dtype=np.float64)
    group = np.repeat(np.arange(len(truth)), PEOPLE)
    held: dict[str, list[bool]] = {}
    rejected: dict[str, list[bool]] = {}
    for _ in range(replicates):
        found = []
        for kind in ("FNMR", "FMR"):
            left, right, wrong = _decided(random, group, truth, effect, kind)
            found.append(_rates(wrong, left, right, group, len(truth)))
            if np.ptp(truth) == 0:
                p_value = difference_p_value(wrong, left, right, group, PERMUTATIONS)
                rejected.setdefault(f"groups: differences of {kind}", []).append(p_value <= 0.05)
        for rates, variances in found:
            if (variances > 0).all():
                for name, summary in SUMMARIES.items():
                    low, high = summary_interval(summary, rates, variances)
                    inside = low - 1e-9 <= float(summary(truth)) <= high + 1e-9
                    held.setdefault(name, []).append(inside)
        rates, variances = (np.concatenate(one) for one in zip(*found, strict=True))
        if (variances > 0).all():
            low, high = summary_interval(_garbe, rates, variances, parts=2)
            held.setdefault("groups: GARBE", []).append(low - 1e-9 <= float(gini(truth)) <= high + 1e-9)
    name = f"Groups of {PEOPLE} people, {shape}; by the rate of the first"
    rows = [(what, False, values) for what, values in held.items()]
    rows += [(what, True, values) for what, values in rejected.items()]
    return [
        Row(what, name, rate, effect, test, float(np.mean(values)), len(values))
        for what, test, values in rows
    ]


def _garbe(rates: models.Floats) -> models.Floats:
    """GARBE of the rates of two kinds, one after the other."""
    count = rates.shape[-1] // 2
    return garbe(rates[..., :count], rates[..., count:], 0.5)


def _decided(
    random: np.random.Generator, group: models.Rows, truth: models.Floats, effect: float, kind: str
) -> tuple[models.Rows, models.Rows, npt.NDArray[np.bool_]]:
    """Pairs of people, and whether each is decided wrongly."""
    people = random.normal(size=len(group))
    if kind == "FNMR":
        left = right = np.repeat(np.arange(len(group)), random.integers(1, 7, len(group)))
        person = people[left]
    else:
        left, right = random.integers(0, len(group), (2, 8000))
        left, right = (side[left != right] for side in (left, right))
        person = (people[left] + people[right]) / np.sqrt(2)
    scores = models.mixed(person, random.normal(size=len(left)), effect)
    return left, right, scores < norm.ppf(truth)[group[left]]


def _rates(
    wrong: npt.NDArray[np.bool_], left: models.Rows, right: models.Rows, group: models.Rows, groups: int
) -> tuple[models.Floats, models.Floats]:
    """The rate of each group and its variance."""
    inside: Sequence[npt.NDArray[np.bool_]] = [
        (group[left] == g) & (group[right] == g) for g in range(groups)
    ]
    variances = [mean_variance(wrong[one], SharedPeople(left[one], right[one])) for one in inside]
    return np.array([wrong[one].mean() for one in inside]), np.array(variances)
