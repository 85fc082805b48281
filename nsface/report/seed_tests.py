"""Groups of runs that differ in the seed alone: mean ± standard deviation, and tests against one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nsface.errors import RecipeError, listing
from nsface.metrics.statistics import holm
from nsface.report.comparisons import FEWEST_SEEDS, LEVEL, compare_seeds
from nsface.report.scores import Column
from nsface.report.systems import System
from nsface.results import Difference


@dataclass(frozen=True)
class OverSeeds:
    """A quantity over the seeds of a group.

    Attributes:
        values: by seed; at least one.
    """

    values: dict[int, float]

    @cached_property
    def mean(self) -> float:
        """The mean over the seeds."""
        return float(np.mean(list(self.values.values())))

    @cached_property
    def std(self) -> float | None:
        """The sample's standard deviation; None where there is one seed."""
        return float(np.std(list(self.values.values()), ddof=1)) if len(self.values) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """Mean, standard deviation, and the value of each seed."""
        values = {str(seed): value for seed, value in self.values.items()}
        return {"mean": self.mean, "std": self.std, "values": values}


@dataclass(frozen=True)
class SeedTest:
    """A score of one group less that of the baseline.

    Attributes:
        group, score: names.
        seeds: how many both have in common; of each, where the test is not paired.
        found: the difference with the test of the means over seeds; None where there are too few seeds.
        p_holm: its p, corrected for all tests against the baseline; None where there is no p.
        highest_first: whether more of the score is better.
    """

    group: str
    score: str
    seeds: tuple[int, ...]
    found: Difference | None
    p_holm: float | None = None
    highest_first: bool = True

    @property
    def verdict(self) -> str:
        """`better` or `worse`, or why that cannot be said: `chance`, `too few seeds`, `no spread`."""
        if self.found is None:
            return "too few seeds"
        if self.p_holm is None:
            return "no spread"
        if self.p_holm >= LEVEL:
            return "chance"
        return "better" if (self.found.difference > 0) == self.highest_first else "worse"

    def to_json(self) -> dict[str, Any]:
        """The object in `differences` of `nsface runs --json`."""
        found = self.found
        return {
            "group": self.group,
            "score": self.score,
            "seeds": list(self.seeds),
            "verdict": self.verdict,
            "test": found.test if found else None,
            "values": found.values if found else None,
            "difference": found.difference if found else None,
            "interval": found.interval if found else None,
            "p": found.p if found else None,
            "p_holm": self.p_holm,
        }


def find_baseline(groups: Sequence[System], given: str | None) -> System:
    """The group called `given`, or of the run with that path; by default the first that has several seeds.

    Raises:
        RecipeError: no such group, or several.
    """
    if given is None:
        return next(group for group in groups if len(group.runs) > 1)
    name = given.rstrip("/")
    found = [group for group in groups if name == group.name] or [
        group
        for group in groups
        if any(name in (run.name, str(run.folder)) for run in group.runs)
        or name == group.name.rsplit("/", 1)[-1]
    ]
    if len(found) != 1:
        what = "several groups of that name" if found else "no such group"
        names = listing([group.name for group in found or groups])
        raise RecipeError(f"--against {given}: {what}; there are {names}")
    return found[0]


def tests_against(baseline: System, groups: Sequence[System], columns: Sequence[Column]) -> list[SeedTest]:
    """Each score that a group and `baseline` have, tested over seeds; p is corrected for all by Holm."""
    pairs = [(group, column) for group in groups if group is not baseline for column in columns]
    tests = [test for group, column in pairs if (test := _test(group, baseline, column))]
    raw = [test.found.p for test in tests if test.found and test.found.p is not None]
    corrected = iter(holm(raw))
    return [
        replace(test, p_holm=next(corrected)) if test.found and test.found.p is not None else test
        for test in tests
    ]


def _test(group: System, baseline: System, column: Column) -> SeedTest | None:
    """The test of one score; None where one of the two groups was not measured by it."""
    first, second = (one.by_seed(column.key, column.figure) for one in (group, baseline))
    if not first or not second:
        return None
    common = len(first.keys() & second.keys())
    seeds = (
        (common,) if common >= FEWEST_SEEDS or first.keys() == second.keys() else (len(first), len(second))
    )
    found = compare_seeds(column.title, first, second) if min(seeds) >= FEWEST_SEEDS else None
    return SeedTest(group.name, column.title, seeds, found, highest_first=column.highest_first)
