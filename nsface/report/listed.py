"""A run as `nsface runs` lists it: how far it is, what came out, and how its recipe differs from others."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from nsface.errors import DataError, shown
from nsface.recipe.keys import with_defaults
from nsface.report.classification import classification_results
from nsface.report.runs import Run, read_results
from nsface.results import Figure, Result
from nsface.results.text import WIDTH, mean_and_spread, named_values
from nsface.run_folder import RunFolder

FINISHED, RUNNING, DIVERGED, INTERRUPTED = "finished", "running", "diverged", "interrupted"
# what a run was made by, where and from: the titles in tables, and the keys of `Listed.origin`
ORIGIN = {
    "version": "version",
    "device": "device",
    "precision": "precision",
    "ranks": "ranks",
    "images": "data",
}
_DIGITS = 8  # of a commit, and of a fingerprint of data


@dataclass(frozen=True)
class Validated(Result):
    """The score of the last state in a validation while training: that of `model.safetensors`."""

    protocol: str
    accuracy: float
    standard_error: float

    def figures(self) -> list[Figure]:
        return [Figure(self.protocol, self.accuracy, self.standard_error)]

    def table(self, width: int = WIDTH) -> str:
        return named_values([(self.protocol, mean_and_spread(self.accuracy, self.standard_error))], width)


@dataclass(frozen=True)
class Listed:
    """A run, read without torch and without the whole of its log.

    Attributes:
        run: with the newest lines of its log alone; its results include the last of each validation, and
            the tests of a classification.
        state: `finished`, `running` (a process holds the folder), `diverged` or `interrupted`.
        step: steps done: those of the newest line of the log, or of a checkpoint after it.
        total: steps of the whole run; None where no line of the log says yet how many an epoch has.
    """

    run: Run
    state: str
    step: int
    total: int | None

    @property
    def steps(self) -> str:
        """`672`, `340 of 672`, or `0 of 12 epochs` or `7, of 12 epochs` where nothing was logged yet."""
        if self.total is None:
            comma = "," if self.step else ""
            return f"{self.step}{comma} of {shown(self.run.recipe.get('epochs'))} epochs"
        return str(self.step) if self.step == self.total else f"{self.step} of {self.total}"

    def last(self, key: str) -> float | None:
        """The value of `key` in the newest line of the log."""
        return self.run.log[-1].get(key) if self.run.log else None

    @property
    def images_per_second(self) -> float | None:
        """The median of the newest lines of the log."""
        speeds = [line["images_per_second"] for line in self.run.log if "images_per_second" in line]
        return median(speeds) if speeds else None

    @property
    def origin(self) -> dict[str, str]:
        """Version, device, precision, ranks, and the beginning of the images' fingerprint, where known."""
        known = {key: str(value) for key, value in self.run.environment.items()}
        found: dict[str, str] = {}
        if "nsface" in known:
            commit = f" {known['commit'][:_DIGITS]}" if "commit" in known else ""
            found["version"] = f"nsface {known['nsface']}{commit}"
        found |= {key: known[key] for key in ("device", "precision", "ranks") if key in known}
        if "data" in known:
            found["data"] = known["data"][:_DIGITS]
        return found


def read_listed(folder: Path, name: str, note: Callable[[str], object]) -> Listed:
    """Read the run in `folder`.

    Args:
        name: what to call it.
        note: called with a line about each result, or file of validations or tests, that cannot be read.

    Raises:
        DataError: recipe, environment or log are damaged.
    """
    place = RunFolder(folder)
    in_use = place.in_use()
    text, recipe = place.read_recipe()
    environment = place.read_environment() if place.environment_file.exists() else {}
    log = place.read_newest_lines()
    results = read_results(place, lambda error: note(str(error)))
    try:
        results |= {one.protocol: one for one in map(_validated, place.read_validation())}  # the last counts
        results |= classification_results(place.read_tests())
    except DataError as error:
        note(str(error))
    run = Run(folder, name, recipe, text, environment, log, results)
    logged = int(log[-1]["step"]) if log else 0
    step, total = steps_done(log, environment), _total(run, logged)
    if in_use:
        state = RUNNING
    elif "diverged" in environment:
        state = DIVERGED
    else:  # a finished run that is being made longer has a model, and steps to do
        done = place.has_model() and (total is None or step >= total)
        state = FINISHED if done else INTERRUPTED
    return Listed(run, state, step, total)


def steps_done(log: Sequence[dict[str, Any]], environment: dict[str, Any]) -> int:
    """The steps that a run has done: a run that was stopped has saved more than it had logged."""
    return max(int(log[-1]["step"]) if log else 0, int(environment.get("step", 0)))


def _validated(line: dict[str, Any]) -> Validated:
    return Validated(f"validation {shown(line['name'])}", line["accuracy"], line["standard_error"])


def _total(run: Run, step: int) -> int | None:
    """Steps of the whole run: `iterations`, or by `epochs` and the steps of an epoch, which the log tells."""
    iterations, epochs = run.recipe.get("iterations"), run.recipe.get("epochs")
    if type(iterations) is int:
        return iterations
    epoch = run.log[-1].get("epoch", 0.0) if run.log else 0.0
    return round(step / epoch) * epochs if type(epochs) is int and epoch > 0 else None


def differing_keys(recipes: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """By dotted key the value in each recipe, for the keys whose values differ; the seed is last.

    A recipe without the key has None.
    """
    flat = [with_defaults(recipe) for recipe in recipes]
    keys = dict.fromkeys(key for values in flat for key in values)
    found = {key: [values.get(key) for values in flat] for key in sorted(keys, key=lambda key: key == "seed")}
    return {key: values for key, values in found.items() if differs(values)}


def differs(values: Sequence[Any]) -> bool:
    """Whether `values` are not all the same."""
    return len({json.dumps(value, sort_keys=True, default=str) for value in values}) > 1
