"""Two systems on the same trials: the difference with its interval, paired tests, and disagreements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nsface.metrics.identification import bootstrap_dir
from nsface.metrics.roc import roc, tar_at_far, tar_slope
from nsface.metrics.shared_people import SharedPeople, paired_difference, shared_people
from nsface.metrics.statistics import Difference, bootstrap_difference, mcnemar, paired_folds
from nsface.results.comparison import IdentificationComparison, TemplateComparison, VerificationComparison
from nsface.results.differences import (
    DirDifference,
    Disagreement,
    McNemar,
    Rank1Difference,
    TarDifference,
)

if TYPE_CHECKING:
    from nsface.protocols.identification import MeasuredTrial
    from nsface.protocols.ijb import ScoredTemplates
    from nsface.protocols.scored_pairs import ScoredPairs

Booleans = npt.NDArray[np.bool_]


def compare_verification(first: ScoredPairs, second: ScoredPairs) -> VerificationComparison:
    """Compare accuracy: identity-aware interval and test, paired t test over folds, and McNemar's.

    What is identity-aware is None where names have no folder that says who they are. A list without folds
    whose threshold comes from another list (LFW's View 1) has a paired t test over pairs instead.

    Raises:
        DataError: without a threshold there are no decisions to compare.
    """
    trials = first.trials
    right = [system.decisions() == trials.same for system in (first, second)]
    # The choices are alike in part; a system differs from itself by 0, whatever the threshold.
    alike = np.array_equal(right[0], right[1])
    added = 0.0 if alike else (first.choice_variance() + second.choice_variance()) / 2
    shared, aware = first.shared(), None
    if shared:
        aware = paired_difference(right[0], right[1], shared, weights=first.weights(), added=added)
    folds = [[fold.accuracy for fold in system.folds] for system in (first, second)]
    if len(folds[0]) > 1:
        plain, over = paired_folds(*folds), "folds"
    else:
        each = np.arange(len(trials))  # a pair shares people with no other
        plain, over = paired_difference(right[0], right[1], SharedPeople(each, each)), "pairs"
    return VerificationComparison(
        protocol=first.protocol,
        pairs=len(trials),
        accuracy=(float(np.mean(folds[0])), float(np.mean(folds[1]))),
        difference=plain.difference,
        confidence_interval=plain.confidence_interval,
        p_value=plain.p_value,
        test=f"paired t test over {over}",
        **_identity_aware(aware),
        mcnemar=_mcnemar(right),
        disagreements=_disagreements(first, second, right),
    )


def compare_identification(
    first: MeasuredTrial, second: MeasuredTrial, fars: Sequence[float]
) -> IdentificationComparison:
    """Compare DIR at rank 1 by a paired bootstrap, and Rank-1 by probes' people and by McNemar's test."""
    rank_1, points = None, None
    if first.closed is not None and second.closed is not None:
        hits = [first.closed.rank == 1, second.closed.rank == 1]
        rank_1 = Rank1Difference(
            rank_1=(float(hits[0].mean()), float(hits[1].mean())),
            difference=float(hits[0].mean() - hits[1].mean()),
            **_identity_aware(_clustered(hits, first.closed_people)),
            mcnemar=_mcnemar(hits),
        )
    if first.open is not None and second.open is not None:
        found = zip(fars, first.dir_at_far(), second.dir_at_far(), strict=True)
        points = []
        for far, one, two in found:
            samples = bootstrap_dir([first.open, second.open], far)
            difference = bootstrap_difference(samples[0], samples[1], one.dir - two.dir)
            points.append(
                DirDifference(far=far, dir=(one.dir, two.dir), **asdict(difference), test="paired bootstrap")
            )
    return IdentificationComparison(rank_1=rank_1, dir=tuple(points) if points is not None else None)


def compare_templates(
    first: ScoredTemplates, second: ScoredTemplates, fars: Sequence[float]
) -> TemplateComparison:
    """Compare TAR at each FAR on the same template pairs.

    Each system has its own threshold. How the impostors at hand moved it is part of the identity-aware
    interval and test, to first order, and so are the people of the genuine pairs; McNemar's test takes
    thresholds as given and pairs as independent.
    """
    pairs, person = first.pairs, first.people
    scores = [first.scores, second.scores]
    curves = [roc(system, pairs.same) for system in scores]
    points = []
    for far in fars:
        found = [tar_at_far(curve, far) for curve in curves]
        accepted = [own >= np.float64(point.threshold) for own, point in zip(scores, found, strict=True)]
        genuine = [decided[pairs.same] for decided in accepted]
        moved = sum(
            sign * tar_slope(curve, far) * decided[~pairs.same]
            for sign, curve, decided in zip((1, -1), curves, accepted, strict=True)
        )
        added = float(np.var(moved)) / found[0].impostors
        points.append(
            TarDifference(
                far=far,
                tar=(found[0].tar, found[1].tar),
                difference=found[0].tar - found[1].tar,
                **_identity_aware(_clustered(genuine, person, added)),
                mcnemar=_mcnemar(genuine),
            )
        )
    return TemplateComparison(
        pairs=len(pairs.same),
        genuine=int(pairs.same.sum()),
        people=len(np.unique(person)),
        tar_at_far=tuple(points),
    )


def _mcnemar(right: Sequence[Booleans]) -> McNemar:
    return McNemar(**asdict(mcnemar(*right)))


def _clustered(
    right: Sequence[Booleans], people: npt.NDArray[np.int64] | None, added: float = 0.0
) -> Difference | None:
    """The difference of two systems' rates over probes or pairs of one person; None where all are of one."""
    shared = None if people is None else shared_people(people)
    return paired_difference(right[0], right[1], shared, added=added) if shared else None


def _identity_aware(found: Difference | None) -> dict[str, Any]:
    return {
        "identity_interval": found.confidence_interval if found else None,
        "identity_p_value": found.p_value if found else None,
    }


def _disagreements(
    first: ScoredPairs, second: ScoredPairs, right: Sequence[Booleans]
) -> tuple[Disagreement, ...]:
    trials = first.trials
    return tuple(
        Disagreement(
            left=trials.left[i],
            right=trials.right[i],
            same=bool(trials.same[i]),
            scores=(float(first.scores[i]), float(second.scores[i])),
            right_system=1 if right[0][i] else 2,
        )
        for i in np.flatnonzero(right[0] != right[1]).tolist()
    )
