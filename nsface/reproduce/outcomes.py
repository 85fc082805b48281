"""What the trainings of a table have found, read from their run folders, and the tests between arms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nsface.errors import counted
from nsface.metrics.statistics import holm, student_interval
from nsface.report.comparisons import compare_seeds
from nsface.reproduce.arms import ARMS
from nsface.reproduce.jobs import Job
from nsface.reproduce.tables import SOURCE, Scale, ScaleName, Table
from nsface.results import Difference
from nsface.results.text import columns
from nsface.run_folder import RunFolder

MEASURES = ("error", "best_error", "loss", "ece", "mce", "saturated")


@dataclass(frozen=True)
class Outcome:
    """One training that has ended.

    Attributes:
        arm, seed: which.
        folder: its run folder.
        measures: of the last test, by `MEASURES`; `best_error` is the lowest of all tests, chosen by the test
            images. None: the training has diverged.
        seconds: that it took.
    """

    arm: str
    seed: int
    folder: str
    measures: Mapping[str, float] | None
    seconds: float


@dataclass(frozen=True)
class Against:
    """The errors of an arm less those of another, over the seeds.

    Attributes:
        arm, other: keys of `ARMS`.
        found: the paired test; None where the two have fewer than two seeds.
        p_holm: its p, corrected for all tests of the table; None where there is none.
    """

    arm: str
    other: str
    found: Difference | None
    p_holm: float | None = None


@dataclass(frozen=True)
class Reproduction:
    """A table that was trained, or a part of it.

    Attributes:
        name: of the table.
        table, scale: what was trained.
        scale_name: "quick", "reduced" or "full".
        recipe: what all arms have in common, resolved, with the head of the first.
        outcomes: of every training that has ended.
        expected: how many there are to be.
        environment: hardware, versions, commit and data, as the first run has them.
    """

    name: str
    table: Table
    scale: Scale
    scale_name: ScaleName
    recipe: dict[str, Any]
    outcomes: Sequence[Outcome]
    expected: int
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arms(self) -> list[str]:
        """Keys of `ARMS`, in the order in which they were trained."""
        return list(dict.fromkeys(outcome.arm for outcome in self.outcomes))

    def by_seed(self, arm: str, measure: str = "error") -> dict[int, float]:
        """A measure of an arm by seed, of those trainings that have not diverged."""
        return {
            outcome.seed: outcome.measures[measure]
            for outcome in sorted(self.outcomes, key=lambda one: one.seed)
            if outcome.arm == arm and outcome.measures is not None
        }

    def tests(self) -> list[Against]:
        """Each arm tested against its baseline, p corrected for all by Holm."""
        made = []
        for arm in self.arms:
            other = ARMS[arm].against
            if other == arm or other not in self.arms:
                continue
            first, second = self.by_seed(arm), self.by_seed(other)
            common = first.keys() & second.keys()
            found = None
            if len(common) > 1:
                pair = ({seed: one[seed] for seed in common} for one in (first, second))
                found = compare_seeds("error", *pair)
            made.append(Against(arm, other, found))
        raw = {one.arm: one.found.p for one in made if one.found is not None and one.found.p is not None}
        corrected = dict(zip(raw, holm(list(raw.values())), strict=True))
        return [Against(one.arm, one.other, one.found, corrected.get(one.arm)) for one in made]

    def to_json(self) -> dict[str, Any]:
        """The content of `results.json`."""
        tests = {test.arm: test for test in self.tests()}
        return {
            "table": self.name,
            "scale": self.scale_name,
            "about": self.scale.about,
            "trainings": len(self.outcomes),
            "expected": self.expected,
            "recipe": self.recipe,
            "environment": dict(self.environment),
            "source": SOURCE,
            "doubts": list(self.table.doubts),
            "arms": {arm: self._arm_json(arm, tests.get(arm)) for arm in self.arms},
            "published_others": {name: value / 100 for name, value in self.table.others.items()},
        }

    def _arm_json(self, arm: str, test: Against | None) -> dict[str, Any]:
        published = self.table.published.get(arm)
        own = [outcome for outcome in self.outcomes if outcome.arm == arm]
        found = test.found if test else None
        return {
            "title": ARMS[arm].title,
            "note": ARMS[arm].note,
            "published": None if published is None else published / 100,
            "diverged": sorted(one.seed for one in own if one.measures is None),
            "seconds": {str(one.seed): one.seconds for one in own},
            "folders": {str(one.seed): one.folder for one in own},
            **{measure: _over_seeds(self.by_seed(arm, measure)) for measure in MEASURES},
            "test": test
            and {
                "against": test.other,
                "test": found and found.test,
                "difference": found and found.difference,
                "interval": found and found.interval,
                "p": found and found.p,
                "p_holm": test.p_holm,
            },
        }

    def text(self, width: int) -> str:
        """The table for a terminal."""
        head = ["", "error, %", "best, %", "published, %", "seeds"]
        head += ["less baseline", "95 % interval", "p, Holm"]
        tests = {test.arm: test for test in self.tests()}
        rows = [head, *(self._row(arm, tests.get(arm)) for arm in self.arms)]
        done = f"{len(self.outcomes)} of {counted(self.expected, 'training')}"
        lines = [
            f"{self.table.title}, {self.scale_name}: {self.scale.about}",
            f"{done}; errors on {self.environment.get('test_images', 0):,} test images, mean ± std",
            columns(rows, width=width),
            "  error: after the last step; best: the lowest of all tests, which the test images have chosen",
            "  less baseline: points, paired by seed, against Softmax (noisy activations: hard tanh)",
            *(f"  {sentence}" for sentence in self.table.doubts),
        ]
        return "\n".join(lines)

    def _row(self, arm: str, test: Against | None) -> list[str]:
        published = self.table.published.get(arm)
        errors, found = self.by_seed(arm), test.found if test else None
        return [
            ARMS[arm].title,
            mean_and_std(errors),
            mean_and_std(self.by_seed(arm, "best_error")),
            "–" if published is None else f"{published:.2f}",
            str(len(errors)),
            "–" if found is None else f"{100 * found.difference:+.2f}",
            "–" if found is None or found.interval is None else interval_text(found.interval),
            "–" if test is None or test.p_holm is None else f"{test.p_holm:.2g}",
        ]


def mean_and_std(values: Mapping[int, float]) -> str:
    """`0.43 ± 0.02` in per cent; without a spread of one value, `–` of none."""
    if not values:
        return "–"
    given = [100 * value for value in values.values()]
    mean = f"{np.mean(given):.2f}"
    return f"{mean} ± {np.std(given, ddof=1):.2f}" if len(given) > 1 else mean


def interval_text(interval: tuple[float, float]) -> str:
    """An interval of differences, in points."""
    low, high = (100 * end for end in interval)
    return f"{low:+.2f} to {high:+.2f}"


def _over_seeds(values: Mapping[int, float]) -> dict[str, Any]:
    given = list(values.values())
    found: dict[str, Any] = {"by_seed": {str(seed): value for seed, value in values.items()}}
    found["mean"] = float(np.mean(given)) if given else None
    found["std"] = float(np.std(given, ddof=1)) if len(given) > 1 else None
    interval = student_interval(given) if len(given) > 1 else None
    found["interval"] = interval if interval and all(map(math.isfinite, interval)) else None
    return found


def read_outcomes(jobs: Sequence[Job]) -> list[Outcome]:
    """What every job that has ended has found.

    Raises:
        DataError: a file of a run folder is missing or damaged.
    """
    return [_outcome(job) for job in jobs if job.ended]


def _outcome(job: Job) -> Outcome:
    run = RunFolder(job.folder)
    seconds = float(run.read_environment().get("seconds", 0.0))
    tests = run.read_tests() if run.has_model() else []
    measures: dict[str, float] | None = None
    if tests:
        measures = {measure: tests[-1][measure] for measure in MEASURES if measure != "best_error"}
        measures["best_error"] = min(line["error"] for line in tests)
    return Outcome(job.arm, job.recipe.seed, job.folder.name, measures, seconds)
