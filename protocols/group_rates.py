"""The error rates of groups of people at one threshold fixed over all, and how much they differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError, listing, shown
from nsface.metrics.groups import (
    NOBODY,
    difference_p_value,
    garbe,
    gini,
    max_over_geometric_mean,
    max_over_min,
    summary_interval,
)
from nsface.metrics.shared_people import mean_variance, rate_interval, shared_people
from nsface.protocols.group_file import GroupFile
from nsface.results.groups import Attribute, GroupRate, Groups, RateByGroup, Summary

FEWEST_PEOPLE = 30  # of a group whose rate is compared
SUMMARIES = {
    "max_over_geometric_mean": max_over_geometric_mean,
    "max_over_min": max_over_min,
    "gini": gini,
}
RULE_OF_3 = 3  # no error in n trials: the rate is below 3 / n with 95 % confidence

Ints = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Decisions:
    """Decided trials of one kind: T pairs, or probes.

    Attributes:
        name: of the error rate: `FMR`, `FNMR`, `FPIR` or `FNIR`.
        wrong: (T,) whether each was decided wrongly.
        left, right: T people each; the same where a trial shows one person.
        across: whether trials of two groups are reported.
    """

    name: str
    wrong: Booleans
    left: Sequence[str]
    right: Sequence[str]
    across: bool = False


@dataclass(frozen=True)
class Given:
    """What a protocol's options say of groups.

    Attributes:
        file: who is in which group.
        alpha: the weight of FMR (or FPIR) in GARBE.
        threshold, source: which threshold, and where it comes from.
    """

    file: GroupFile
    alpha: float
    threshold: float
    source: str


def by_groups(given: Given, kinds: Sequence[Decisions], where: str) -> Groups:
    """The error rates of each group, and how much they differ.

    Args:
        kinds: impostors first, then genuine trials.
        where: the list of trials, for messages.

    Raises:
        DataError: no trial has its people in a group.
    """
    file = given.file
    everyone = list(dict.fromkeys(person for one in kinds for person in (*one.left, *one.right)))
    number = {person: place for place, person in enumerate(everyone)}
    sides = [
        [np.array([number[person] for person in side], dtype=np.int64) for side in (one.left, one.right)]
        for one in kinds
    ]
    attributes = []
    for name, group_of in file.attributes.items():
        groups = sorted(set(group_of.values()))
        place = {group: i for i, group in enumerate(groups)}
        label = np.array([place[group_of[p]] if p in group_of else NOBODY for p in everyone], dtype=np.int64)
        compared = [
            _by_group(_Trials(one, left, right, label), groups)
            for one, (left, right) in zip(kinds, sides, strict=True)
        ]
        if not any(rate.trials for one in compared for rate in one.found.groups):
            raise DataError(
                f"{shown(file.source)}: no trial of {shown(where)} has its people in one group; "
                "persons are the folders of the image names"
            )
        known = int((label != NOBODY).sum())
        attributes.append(
            Attribute(
                name=name,
                people=known,
                unlabelled=len(everyone) - known,
                rates=tuple(one.found for one in compared),
                garbe=_garbe(compared, given.alpha),
            )
        )
    return Groups(
        file=file.source,
        threshold=given.threshold,
        threshold_source=given.source,
        garbe_alpha=given.alpha,
        not_in_list=len(file.absent(set(everyone))),
        attributes=tuple(attributes),
    )


@dataclass(frozen=True)
class _Trials:
    """Decisions with the people as numbers, and the group of each person."""

    decisions: Decisions
    left: Ints
    right: Ints
    label: Ints

    def of(self, first: int, second: int) -> Booleans:
        """(T,) which trials are of people of two groups, in either order; of one where they are equal."""
        a, b = self.label[self.left], self.label[self.right]
        return np.asarray(((a == first) & (b == second)) | ((a == second) & (b == first)))

    def rate(self, names: tuple[str, ...], chosen: Booleans) -> GroupRate:
        wrong, left, right = self.decisions.wrong[chosen], self.left[chosen], self.right[chosen]
        shared = shared_people(left, right)
        return GroupRate(
            groups=names,
            rate=float(wrong.mean()) if len(wrong) else None,
            interval=rate_interval(wrong, shared) if shared else None,
            errors=int(wrong.sum()),
            trials=len(wrong),
            people=len(np.unique([left, right])),
        )

    def p_value(self, kept: list[int], groups: int) -> float:
        """Of the test whether the groups that are `kept` differ by more than chance."""
        label = np.full(groups + 1, NOBODY)
        label[kept] = np.arange(len(kept))
        new = label[self.label]  # NOBODY is the last place
        return difference_p_value(self.decisions.wrong, self.left, self.right, new)

    def variance(self, group: int) -> float:
        chosen = self.of(group, group)
        shared = shared_people(self.left[chosen], self.right[chosen])
        return mean_variance(self.decisions.wrong[chosen], shared) if shared else 0.0


@dataclass(frozen=True)
class _Compared:
    """A rate by group, and what GARBE needs of the G groups that are compared: rates and variances."""

    found: RateByGroup
    rates: Floats
    variances: Floats


def _by_group(trials: _Trials, names: list[str]) -> _Compared:
    rates = [trials.rate((name,), trials.of(g, g)) for g, name in enumerate(names)]
    total = sum(one.trials for one in rates)
    overall = sum(one.errors for one in rates) / max(total, 1)
    rates = [replace(one, too_small=_too_small(one, overall)) for one in rates]
    across = []
    if trials.decisions.across:
        for (a, first), (b, second) in combinations(enumerate(names), 2):
            if (chosen := trials.of(a, b)).any():
                across.append(trials.rate((first, second), chosen))
    kept = [g for g, one in enumerate(rates) if one.too_small is None]
    values = np.array([rates[g].rate for g in kept], dtype=np.float64)
    variances = np.array([trials.variance(g) for g in kept])
    found = RateByGroup(
        name=trials.decisions.name,
        groups=tuple(rates),
        across=tuple(across),
        **_summaries([rates[g] for g in kept], values, variances),
        p_value=None if _not_comparable([rates[g] for g in kept]) else trials.p_value(kept, len(names)),
    )
    return _Compared(found, values, variances)


def _too_small(one: GroupRate, overall: float) -> str | None:
    """Why a group is not compared."""
    if not one.trials:
        return "no trials"
    if one.people < FEWEST_PEOPLE:
        return f"{one.people} people, fewer than {FEWEST_PEOPLE}"
    if 0 < one.trials * overall < RULE_OF_3:
        return (
            f"{one.trials} trials do not resolve {100 * overall:.2g} %, the rate of all groups together "
            f"(rule of 3: {int(np.ceil(RULE_OF_3 / overall))} are needed)"
        )
    return None


def _summaries(compared: Sequence[GroupRate], rates: Floats, variances: Floats) -> dict[str, Summary]:
    """The fields of `RateByGroup` that summarise the groups that are large enough."""
    found = {}
    for name, summary in SUMMARIES.items():
        problem = _not_comparable(compared)
        if (
            not problem
            and summary is not gini
            and (without := [one.name for one in compared if not one.rate])
        ):
            problem = f"no errors in {listing(without, 3)}: a ratio to its rate is not defined"
        found[name] = Summary(undefined=problem) if problem else _summary(summary, rates, variances)
    return found


def _summary(
    summary: Callable[[Floats], Floats], rates: Floats, variances: Floats, parts: int = 1
) -> Summary:
    """With an interval, unless a group has no errors, or nothing else."""
    value = float(summary(rates))
    if not (variances > 0).all():
        return Summary(value=value, undefined="no interval: all trials of a group are decided alike")
    return Summary(value=value, interval=summary_interval(summary, rates, variances, parts))


def _garbe(compared: Sequence[_Compared], alpha: float) -> Summary:
    first, second = compared
    for one in compared:
        if one.found.gini.value is None:
            return Summary(undefined=f"the Gini coefficient of {one.found.name} is not defined")
    if first.found.compared() != second.found.compared():
        names = f"{first.found.name} and {second.found.name}"
        return Summary(undefined=f"{names} are compared over different groups")
    count = len(first.rates)
    return _summary(
        lambda rates: garbe(rates[..., :count], rates[..., count:], alpha),
        np.concatenate([first.rates, second.rates]),
        np.concatenate([first.variances, second.variances]),
        parts=2,
    )


def _not_comparable(compared: Sequence[GroupRate]) -> str | None:
    """Why rates of groups cannot be compared."""
    if len(compared) < 2:
        return "fewer than two groups are large enough to be compared"
    if not any(one.errors for one in compared):
        return "no group has errors at this threshold"
    if all(one.errors == one.trials for one in compared):
        return "all trials are errors at this threshold"
    return None
