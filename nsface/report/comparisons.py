"""Comparisons of two systems: what `compare` has left in the run folders, and tests over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from nsface.metrics.statistics import Difference as Tested
from nsface.metrics.statistics import paired_folds, welch
from nsface.report.runs import Run
from nsface.report.systems import System, measured_keys
from nsface.results import (
    Comparison,
    Difference,
    Identification,
    Result,
    TemplateVerification,
    Verification,
)
from nsface.results.official import CHOSEN_BY_TEST, LOWER_IS_BETTER, RENDERED, TITLES, headline_differences
from nsface.results.values import plain

LEVEL = 0.05  # of the tests that an answer rests on
FEWEST_SEEDS = 3  # of a test by which something is better: with two the interval is ± 12.7 standard errors
_NO_WIDTH = 1e-9  # of an interval: all differences are equal but for rounding


@dataclass(frozen=True)
class Row:
    """A difference by one test.

    Attributes:
        protocol: its title.
        difference: what differs, by how much, by which test; the first minus the second.
        headline: whether the answer speaks of it: it is one of the figures that papers compare, or the first.
        over_seeds: whether it compares trainings with several seeds, not two networks.
    """

    protocol: str
    difference: Difference
    headline: bool
    over_seeds: bool = False

    @property
    def label(self) -> str:
        """What is compared: the protocol where that is accuracy, else the figure too."""
        what = self.difference.what
        return self.protocol if what == "accuracy" else f"{self.protocol} ({what})"

    @property
    def better(self) -> int | None:
        """0 or 1: the system that is better beyond chance; None where that cannot be told.

        Only a trusted test tells, and only where its interval does not contain 0. An interval without width
        comes of differences that are all equal, and has no spread to judge by.
        """
        found = self.difference
        if not found.trusted or found.interval is None:
            return None
        low, high = found.interval
        chance = low <= 0 <= high or high - low < _NO_WIDTH or (found.p is not None and found.p >= LEVEL)
        return None if chance else int((low > 0) == self.lower_is_better)

    @property
    def lower_is_better(self) -> bool:
        """Whether the system with the smaller value is the better one."""
        return self.difference.what in LOWER_IS_BETTER


@dataclass(frozen=True)
class Pair:
    """Two systems or runs, and how they differ.

    Attributes:
        shown: whether both are in the report.
    """

    first: str
    second: str
    rows: tuple[Row, ...]
    shown: bool = True

    @property
    def trusted(self) -> list[Row]:
        """The rows of tests that an answer may rest on."""
        return [row for row in self.rows if row.difference.trusted]

    @property
    def untrusted(self) -> list[Row]:
        """The rows of the other tests."""
        return [row for row in self.rows if not row.difference.trusted]

    @property
    def headlines(self) -> list[Row]:
        """The rows that an answer rests on: of each figure the trusted test."""
        return [row for row in self.trusted if row.headline]


def can_be_compared(result: Result) -> bool:
    """Whether `nsface compare` has a comparison of such results."""
    return isinstance(result, Verification | Identification | TemplateVerification)


def find_pairs(systems: Sequence[System]) -> list[Pair]:
    """All pairs that were compared; those over seeds come first."""
    return [*_over_seeds(systems), *_compared(systems)]


def _compared(systems: Sequence[System]) -> list[Pair]:
    """What `compare` has found, by the two systems that it compared."""
    runs = [run for system in systems for run in system.runs]
    rows: dict[tuple[str, str], list[Row]] = {}
    known: dict[tuple[str, str], bool] = {}
    for run in runs:
        for result in run.results.values():
            if isinstance(result, Comparison):
                found = [_run_of(system, runs) for system in result.systems or ("first", "second")]
                names = (found[0][0], found[1][0])
                known[names] = found[0][1] and found[1][1]
                listed = rows.setdefault(names, [])
                known_rows = [plain(row) for row in listed]  # older files have more digits
                listed += [row for row in _rows(result, runs) if plain(row) not in known_rows]
    return [Pair(*names, in_order(found), known[names]) for names, found in rows.items()]


def in_order(rows: Sequence[Row]) -> tuple[Row, ...]:
    """`rows` in the order of `TITLES`, those of protocols that are not there at the end."""
    order = list(TITLES.values())
    titles = [row.protocol.removesuffix(RENDERED) for row in rows]
    places = [order.index(title) if title in order else len(order) for title in titles]
    return tuple(row for _, row in sorted(zip(places, rows, strict=True), key=lambda pair: pair[0]))


def _rows(result: Comparison, runs: Sequence[Run]) -> list[Row]:
    differences = result.differences()
    title = _title(result, runs)
    chosen = headline_differences([one.what for one in differences])
    return [Row(title, one, one.what in chosen) for one in differences]


def _title(result: Comparison, runs: Sequence[Run]) -> str:
    """The title of the compared results, where all have one; comparisons know less of their lists."""
    titles = {
        other.title
        for run in runs
        for other in run.results.values()
        if not isinstance(other, Comparison) and _kind(other.protocol) == _kind(result.protocol)
    }
    return titles.pop() if len(titles) == 1 else result.title


def _kind(protocol: str) -> str:
    """A comparison on LFW's identification lists calls itself `identification`, like one on any others."""
    return protocol.removeprefix("lfw-")


def _run_of(system: str, runs: Sequence[Run]) -> tuple[str, bool]:
    """The name of the run in whose folder the file `system` lies, and True; else `system` and False.

    A folder that was moved since is known by its name, if that is the name of one run only.
    """
    folder = Path(system).parent
    for run in runs:
        if run.folder.resolve() == folder.resolve():
            return run.name, True
    name = folder.name or Path(system).stem
    alike = [run.name for run in runs if run.folder.name == name]
    return (alike[0], True) if len(alike) == 1 else (system, False)


def _over_seeds(systems: Sequence[System]) -> list[Pair]:
    """Tests of the means over seeds, for every two systems that have several, later less earlier."""
    several = [system for system in systems if len(system.runs) > 1]
    pairs = []
    for earlier, later in combinations(several, 2):
        rows = [row for key in measured_keys([later]) for row in _seed_rows(later, earlier, key)]
        if rows:
            pairs.append(Pair(later.name, earlier.name, in_order(rows)))
    return pairs


def _seed_rows(first: System, second: System, key: str) -> list[Row]:
    result = first.results(key)[0]
    names = [figure.name for figure in result.figures() if figure.name not in CHOSEN_BY_TEST]
    chosen = headline_differences(names)
    rows = []
    for name in names:
        values = (first.by_seed(key, name), second.by_seed(key, name))
        if min(map(len, values)) > 1:
            what = "accuracy" if isinstance(result, Verification) else name
            rows.append(Row(result.title, compare_seeds(what, *values), name in chosen, over_seeds=True))
    return rows


def compare_seeds(what: str, first: dict[int, float], second: dict[int, float]) -> Difference:
    """The difference of the means over seeds: by a paired t test over the seeds that both have, where these
    are all or at least `FEWEST_SEEDS`; else by Welch's, over all.

    Args:
        first, second: by seed, the figure of a system; at least two each.

    It knows the chance of training alone. That the test set has these people and no others is no part of it.
    """
    common = sorted(first.keys() & second.keys())
    if first.keys() == second.keys() or len(common) >= FEWEST_SEEDS:
        left, right = ([one[seed] for seed in common] for one in (first, second))
        tested, name = paired_folds(left, right), f"paired t test over {len(common)} seeds"
    else:
        left, right = list(first.values()), list(second.values())
        tested, name = welch(left, right), f"Welch's t test over {len(left)} and {len(right)} seeds"
    interval, p = _tested(tested)
    values = (float(np.mean(left)), float(np.mean(right)))
    return Difference(what, name, values, tested.difference, interval, p, trusted=True)


def _tested(found: Tested) -> tuple[tuple[float, float] | None, float | None]:
    """Interval and p; None for both where all differences are equal: there is no spread to judge by."""
    low, high = found.confidence_interval
    return (None, None) if high - low < _NO_WIDTH else ((low, high), found.p_value)
