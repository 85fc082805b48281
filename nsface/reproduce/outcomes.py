"""What the trainings of a table have found, read from their run folders, and the tests between arms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from nsface.errors import DataError, shown
from nsface.metrics.statistics import holm, student_interval
from nsface.recipe.text import dotted
from nsface.report.comparisons import FEWEST_SEEDS, LEVEL, compare_seeds
from nsface.reproduce.arms import ARMS
from nsface.reproduce.jobs import Job
from nsface.reproduce.size import size_in_words
from nsface.reproduce.tables import SOURCE, ScaleName, Table
from nsface.results import Difference
from nsface.run_folder import RunFolder, troubles

MEASURES = ("error", "best_error", "loss", "ece", "mce", "probability", "saturated")
Verdict = Literal["better", "worse", "chance", "no spread", "too few seeds"]
Line = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """One training that has ended.

    Attributes:
        arm, seed: which.
        folder: its run folder.
        measures: of the last test, by `MEASURES`; `best_error` is the lowest of all tests, chosen by the test
            images. None: the training has diverged.
        seconds: that it took.
        log, tests: the lines of `log.jsonl` and of `test.jsonl`.
        troubles: what went wrong on the way, a line each.
    """

    arm: str
    seed: int
    folder: str
    measures: Mapping[str, float] | None
    seconds: float
    log: Sequence[Line] = field(default=(), repr=False)
    tests: Sequence[Line] = field(default=(), repr=False)
    troubles: Sequence[str] = ()


@dataclass(frozen=True)
class Against:
    """The errors of an arm less those of another, over the seeds.

    Attributes:
        arm, other: keys of `ARMS`.
        seeds: how many both have.
        found: the paired test; None where the two have fewer than two seeds.
        p_holm: its p, corrected for all tests of the table; None where there is none.
    """

    arm: str
    other: str
    seeds: int
    found: Difference | None
    p_holm: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the arm is `better` or `worse` than the other at 5 %, by Holm, or why that is not known."""
        if self.seeds < FEWEST_SEEDS or self.found is None:
            return "too few seeds"
        if self.p_holm is None:
            return "no spread"
        if self.p_holm >= LEVEL:
            return "chance"
        return "better" if self.found.difference < 0 else "worse"

    def to_json(self) -> dict[str, Any]:
        """The object `test` of an arm in `results.json`."""
        found = self.found
        return {
            "against": self.other,
            "test": found and found.test,
            "difference": found and found.difference,
            "interval": found and found.interval,
            "p": found and found.p,
            "p_holm": self.p_holm,
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Reproduction:
    """A table that was trained, or a part of it.

    Attributes:
        name: of the table.
        table: its recipe, and what was published.
        scale_name: "quick", "reduced" or "full".
        recipes: of each arm the recipe as resolved, with the first seed.
        full: the recipe of the table as it comes with nsface, resolved.
        outcomes: of every training that has ended.
        expected: how many there are to be.
        environment: hardware, versions, commit and data; a value is a list where the trainings differ.
    """

    name: str
    table: Table
    scale_name: ScaleName
    recipes: Mapping[str, dict[str, Any]]
    full: dict[str, Any]
    outcomes: Sequence[Outcome]
    expected: int
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe of the first arm: what all have in common, and its head."""
        return next(iter(self.recipes.values()))

    @property
    def arms(self) -> list[str]:
        """Keys of `ARMS` of which a training has ended, in the order in which they are trained."""
        ended = {outcome.arm for outcome in self.outcomes}
        return [arm for arm in self.recipes if arm in ended]

    @property
    def about(self) -> list[str]:
        """Sentences about the size of what was trained, computed from the recipe."""
        return size_in_words(self.recipe, self.full, self.table.recipe, self.environment)

    def of(self, arm: str) -> list[Outcome]:
        """The trainings of `arm` that have ended, by seed."""
        return sorted((one for one in self.outcomes if one.arm == arm), key=lambda one: one.seed)

    def by_seed(self, arm: str, measure: str = "error") -> dict[int, float]:
        """A measure of an arm by seed, of those trainings that have not diverged."""
        return {one.seed: one.measures[measure] for one in self.of(arm) if one.measures is not None}

    def diverged(self, arm: str) -> list[int]:
        """The seeds of an arm whose training has diverged."""
        return [one.seed for one in self.of(arm) if one.measures is None]

    @cached_property
    def tests(self) -> dict[str, Against]:
        """By arm its test against its baseline, p corrected for all by Holm."""
        made: dict[str, Against] = {}
        for arm in self.arms:
            other = ARMS[arm].against
            if other == arm or other not in self.arms:
                continue
            first, second = self.by_seed(arm), self.by_seed(other)
            common = sorted(first.keys() & second.keys())
            found = None
            if len(common) > 1:
                pair = ({seed: one[seed] for seed in common} for one in (first, second))
                found = compare_seeds("error", *pair)
            made[arm] = Against(arm, other, len(common), found)
        raw = {arm: one.found.p for arm, one in made.items() if one.found and one.found.p is not None}
        corrected = dict(zip(raw, holm(list(raw.values())), strict=True))
        return {arm: replace(one, p_holm=corrected.get(arm)) for arm, one in made.items()}

    def changes(self, arm: str) -> dict[str, Any]:
        """By dotted key what the recipe of an arm has other than its baseline's; '–': no such key.

        Where the baseline is not trained, it is what makes the arm of the table's recipe.
        """
        if (against := self.recipes.get(ARMS[arm].against)) is None:
            return dict(ARMS[arm].changes)
        own, other = dotted(self.recipes[arm]), dotted(against)
        keys = dict.fromkeys([*own, *other])
        return {key: own.get(key, "–") for key in keys if own.get(key, "–") != other.get(key, "–")}

    def to_json(self) -> dict[str, Any]:
        """The content of `results.json`, but the command, which its writer adds."""
        return {
            "table": self.name,
            "scale": self.scale_name,
            "about": " ".join(self.about),
            "trainings": len(self.outcomes),
            "expected": self.expected,
            "recipe": self.recipe,
            "environment": dict(self.environment),
            "source": SOURCE,
            "doubts": list(self.table.doubts),
            "arms": {arm: self._arm_json(arm) for arm in self.arms},
            "published_others": {name: value / 100 for name, value in self.table.others.items()},
        }

    def _arm_json(self, arm: str) -> dict[str, Any]:
        published, test = self.table.published.get(arm), self.tests.get(arm)
        return {
            "title": ARMS[arm].title,
            "note": ARMS[arm].note,
            "changes": self.changes(arm),
            "published": None if published is None else published / 100,
            "diverged": self.diverged(arm),
            "seconds": {str(one.seed): one.seconds for one in self.of(arm)},
            "folders": {str(one.seed): one.folder for one in self.of(arm)},
            **{measure: over_seeds(self.by_seed(arm, measure)) for measure in MEASURES},
            "test": test.to_json() if test else None,
        }


def mean_and_std(values: Mapping[int, float]) -> str:
    """`0.43 ± 0.02` in per cent; without a spread of one value, `–` of none."""
    if not values:
        return "–"
    given = [100 * value for value in values.values()]
    mean = f"{np.mean(given):.2f}"
    return f"{mean} ± {np.std(given, ddof=1):.2f}" if len(given) > 1 else mean


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{round(100 * difference, 2) + 0.0:+.2f}".replace("-", "−")


def interval_text(interval: tuple[float, float]) -> str:
    """An interval of differences, in points."""
    return " to ".join(map(points, interval))


def over_seeds(values: Mapping[int, float]) -> dict[str, Any]:
    """Mean, standard deviation and 95 % interval of a measure, with its value for each seed."""
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


def _check_last_test(run: RunFolder, step: int, tests: Sequence[Line]) -> None:
    """A test before `step`, or none, must not pass for the test after the last step."""
    if not tests or tests[-1]["step"] < step:
        raise DataError(
            f"{shown(run.test_file)}: the test after step {step} is not there; remove the folder "
            f"{shown(run.path)}, and the same command trains it anew"
        )


def _outcome(job: Job) -> Outcome:
    run = RunFolder(job.folder)
    environment, log, tests = run.read_environment(), run.read_log(), run.read_tests()
    measures: dict[str, float] | None = None
    if not job.diverged:
        _check_last_test(run, max([environment.get("step", 0), *(line["step"] for line in log[-1:])]), tests)
        measures = {measure: tests[-1][measure] for measure in MEASURES if measure != "best_error"}
        measures["best_error"] = min(line["error"] for line in tests)
    wrong = troubles(log, environment)
    if job.diverged:
        wrong.append(f"diverged: {environment['diverged']}")
    return Outcome(
        job.arm, job.recipe.seed, job.folder.name, measures, float(environment.get("seconds", 0.0)),
        log, tests, wrong,
    )  # fmt: skip
