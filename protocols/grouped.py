"""What a protocol has measured, by groups of people: FMR and FNMR of pairs, FPIR and FNIR of probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nsface.errors import DataError, shown
from nsface.metrics.identification import OpenSet
from nsface.protocols.group_rates import Decisions, Given, by_groups
from nsface.results.groups import Groups

if TYPE_CHECKING:
    from nsface.protocols.identification import Named
    from nsface.protocols.scored_pairs import ScoredPairs
    from nsface.protocols.trials import Trials


RULE_OF_30 = 30  # errors fix a rate to ± 30 % with 90 % confidence


class _Point(Protocol):
    """An operating point: TAR or DIR at a FAR."""

    @property
    def far(self) -> float: ...

    @property
    def threshold(self) -> float: ...


def operating_point(points: Sequence[_Point], given: bool, impostors: int) -> tuple[float, str]:
    """The threshold at which groups are compared, and how it was chosen.

    It is that of the first FAR, where FARs were `given`. Else it is that of the smallest FAR at which
    `impostors` make 30 errors (rule of 30: fewer fix no rate, still less those of groups), or of the largest.
    """
    largest = max(points, key=lambda point: point.far)
    resolved = [point for point in points if point.far * impostors >= RULE_OF_30]
    point = points[0] if given else min(resolved, key=lambda point: point.far, default=largest)
    return point.threshold, f"of FAR {100 * point.far:g} % over all"


def group_pairs(scored: ScoredPairs, given: Given) -> Groups:
    """FMR and FNMR of each group of the people of a list of pairs.

    Raises:
        DataError: names that do not say who is who, or no pair of people in one group.
    """
    trials = scored.trials
    left, right = (np.array(side, dtype=object) for side in people_of(trials))
    same, accepted = trials.same, scored.scores >= given.threshold
    kinds = [
        Decisions("FMR", accepted[~same], left[~same].tolist(), right[~same].tolist(), across=True),
        Decisions("FNMR", ~accepted[same], left[same].tolist(), right[same].tolist()),
    ]
    return by_groups(given, kinds, trials.source)


def people_of(trials: Trials) -> list[list[str]]:
    """Who is in each of P pairs, on the left and on the right.

    Raises:
        DataError: names do not say who is who.
    """
    if trials.people is None:
        raise DataError(
            f"{shown(trials.source)}: its names do not say who is who, so that nobody can be found in a "
            "group; names such as PERSON/image.jpg are needed"
        )
    return [[trials.person(name) for name in side] for side in (trials.left, trials.right)]


def group_probes(genuine: Named, impostors: Named, found: OpenSet, given: Given) -> Groups:
    """FPIR and FNIR (rank 1) of each group of the people of the probes, against the gallery of all.

    Raises:
        DataError: no probe is of a person in a group.
    """
    accepted = found.impostors >= given.threshold
    identified = (found.genuine.rank == 1) & (found.genuine.score >= given.threshold)
    kinds = [
        Decisions("FPIR", accepted, impostors.people, impostors.people),
        Decisions("FNIR", ~identified, genuine.people, genuine.people),
    ]
    return by_groups(given, kinds, "the open set")
