"""Which runs are one system: those that differ in nothing that decides the weights but the seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from string import digits
from typing import Any

from nsface.errors import counted, shown
from nsface.recipe.keys import decisive
from nsface.report.runs import Run
from nsface.results import Comparison, Figure, Result
from nsface.results.official import TITLES

_SEED_AT_END = re.compile(r"[-_. /]*(?:(?:[-_. ]s|(?:^|[-_. /])seed)[-_. ]*)?$")


@dataclass(frozen=True)
class System:
    """Runs of one recipe, each with a seed of its own; most often there is one.

    Attributes:
        name: what to call it: what the names of its runs begin with, or the name of its only run.
    """

    name: str
    runs: tuple[Run, ...]

    @property
    def seeded(self) -> list[Run]:
        """Its runs whose recipes say the seed, as all do that nsface has written."""
        return [run for run in self.runs if run.recipe.get("seed") is not None]

    @property
    def seeds(self) -> str:
        """`5 seeds: 0, 1, 2, 3, 4`, or '' where there is one run."""
        if len(self.runs) == 1:
            return ""
        return f"{counted(len(self.runs), 'seed')}: {', '.join(str(run.recipe['seed']) for run in self.runs)}"

    @property
    def training(self) -> str:
        """Its head, its network, and the model that its training began with, in a few words."""
        head, network = dict(self.runs[0].recipe["head"]), self.runs[0].recipe["network"]
        name = head.pop("name")
        arguments = ", ".join(f"{key} {value}" for key, value in head.items())
        init = self.runs[0].recipe.get("init")
        begun = f", begun with {shown(init['model'])}" if init else ""
        return f"head {name}{f' ({arguments})' if arguments else ''}, network {network['name']}{begun}"

    def results(self, key: str) -> list[Result]:
        """The results of its runs in files called `key`, in the order of the runs."""
        return [run.results[key] for run in self.runs if key in run.results]

    def by_seed(self, key: str, figure: str) -> dict[int, float]:
        """By seed the value of a figure in files called `key`, where it was measured."""
        found = {}
        for run in self.seeded:
            value = value_of(run.results.get(key), figure)
            if value is not None:
                found[run.recipe["seed"]] = value
        return found


def value_of(result: Result | None, figure: str) -> float | None:
    """The value of `figure` in `result`; None where there is none."""
    figures: list[Figure] = result.figures() if result else []
    return next((one.value for one in figures if one.name == figure), None)


def measured_keys(systems: Sequence[System]) -> list[str]:
    """The names of all files with results of evaluations, each once, in the order of `TITLES`."""
    found: dict[str, str] = {}
    for run in (run for system in systems for run in system.runs):
        for key, result in run.results.items():
            if not isinstance(result, Comparison):
                found.setdefault(key, result.protocol)
    known = list(TITLES)
    return sorted(found, key=lambda key: known.index(found[key]) if found[key] in known else len(known))


def find_systems(runs: Sequence[Run]) -> list[System]:
    """Group `runs` into systems, in the order of their first runs.

    Of copies, which have one seed, each is of a system of its own; further seeds join the one that is called
    most like them.
    """
    groups: list[tuple[dict[str, Any], list[Run]]] = []
    for run in runs:
        kind = decisive(run.recipe) | {"images": run.environment.get("data")}
        fitting = [group for other, group in groups if other == kind and _is_another_seed(run, group)]
        if fitting:
            max(fitting, key=lambda group: len(_beginning([run.name, group[0].name]))).append(run)
        else:
            groups.append((kind, [run]))
    names: list[str] = []
    for _, group in groups:
        names.append(_name(group, names))
    return [System(name, tuple(group)) for name, (_, group) in zip(names, groups, strict=True)]


def _is_another_seed(run: Run, group: Sequence[Run]) -> bool:
    """Whether the seed of `run` is none of those of `group`, and all are seeds."""
    seed, seeds = run.recipe.get("seed"), [one.recipe.get("seed") for one in group]
    return all(type(one) is int for one in (seed, *seeds)) and seed not in seeds


def _name(group: Sequence[Run], before: Sequence[str]) -> str:
    """What to call `group`, other than the names `before`."""
    first = group[0].name
    if len(group) == 1:
        return first
    common = _beginning([run.name for run in group]).rstrip(digits)
    name = shown(_SEED_AT_END.sub("", common).rstrip("/"))
    return name if name and name not in before else f"{first} and {counted(len(group) - 1, 'other seed')}"


def _beginning(names: Sequence[str]) -> str:
    """What all of `names` begin with."""
    letters = zip(*names, strict=False)
    return "".join(one[0] for one in takewhile(lambda one: len(set(one)) == 1, letters))
