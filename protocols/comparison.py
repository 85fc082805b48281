"""Two systems on the same trials: the difference, its interval, paired tests, and where they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.metrics.identification import bootstrap_dir
from nsface.metrics.roc import roc, tar_at_far, tar_slope
from nsface.metrics.shared_people import paired_difference, shared_people
from nsface.metrics.statistics import Difference, bootstrap_difference, mcnemar, paired_folds
from nsface.protocols.identification import FARS, Measured
from nsface.protocols.ijb import FARS as IJB_FARS
from nsface.protocols.ijb import TemplatePairs, people_of
from nsface.protocols.verification import Verification


def compare_verification(first: Verification, second: Verification) -> dict[str, Any]:
    """Compare accuracy: identity-aware interval and test, paired t test over folds, and McNemar's.

    Returns:
        The documented JSON object; `disagreements` has the pairs that exactly one system decides rightly.
        What is identity-aware is null where names have no folder that says who they are.

    Raises:
        DataError: without folds there are no decisions to compare.
    """
    trials = first.trials
    right = [system.decisions() == trials.same for system in (first, second)]
    if first.kfold is None or second.kfold is None:
        raise DataError(f"{trials.source}: a comparison needs folds; give a list that has them")
    folds = [[fold.accuracy for fold in system.folds] for system in (first, second)]
    # The choices are alike in part; a system differs from itself by 0, whatever the threshold.
    alike = np.array_equal(right[0], right[1])
    added = 0.0 if alike else (first.choice_variance() + second.choice_variance()) / 2
    shared, aware = first.shared(), None
    if shared:
        aware = paired_difference(right[0], right[1], shared, weights=first.weights(), added=added)
    return {
        "protocol": first.protocol,
        "pairs": len(trials),
        "accuracy": [first.kfold.accuracy, second.kfold.accuracy],
        **_difference(paired_folds(*folds), "paired t test over folds"),
        **_identity_aware(aware),
        "mcnemar": asdict(mcnemar(*right)),
        "disagreements": _disagreements(first, second, right),
    }


def compare_identification(first: Measured, second: Measured, fars: Sequence[float] = FARS) -> dict[str, Any]:
    """Compare DIR at rank 1 by a paired bootstrap, and Rank-1 by probes' people and by McNemar's test.

    Raises:
        DataError: nothing that both measured.
    """
    compared: dict[str, Any] = {"protocol": "identification"}
    if first.closed is not None and second.closed is not None:
        hits = [first.closed.rank == 1, second.closed.rank == 1]
        compared["rank_1"] = {
            "rank_1": [float(h.mean()) for h in hits],
            "difference": float(hits[0].mean() - hits[1].mean()),
            **_identity_aware(_clustered(hits, first.closed_people)),
            "mcnemar": asdict(mcnemar(*hits)),
        }
    if first.open is not None and second.open is not None:
        points = []
        for far, one, two in zip(
            fars, first.result["open_set"]["dir"], second.result["open_set"]["dir"], strict=True
        ):
            samples = bootstrap_dir([first.open, second.open], far)
            difference = bootstrap_difference(samples[0], samples[1], one["dir"] - two["dir"])
            points.append(
                {"far": far, "dir": [one["dir"], two["dir"]]} | _difference(difference, "paired bootstrap")
            )
        compared["dir"] = points
    return compared


def compare_templates(
    scores: Sequence[npt.NDArray[np.float32]], pairs: TemplatePairs, fars: Sequence[float] = IJB_FARS
) -> dict[str, Any]:
    """Compare TAR at each FAR on the same template pairs, by two systems' scores (P,).

    Each system has its own threshold. How the impostors at hand moved it is part of the identity-aware
    interval and test, to first order, and so are the people of the genuine pairs; McNemar's test takes
    thresholds as given and pairs as independent.
    """
    curves = [roc(system, pairs.same) for system in scores]
    person = people_of(pairs)
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
            {
                "far": far,
                "tar": [point.tar for point in found],
                "difference": found[0].tar - found[1].tar,
                **_identity_aware(_clustered(genuine, person, added)),
                "mcnemar": asdict(mcnemar(*genuine)),
            }
        )
    return {
        "protocol": "ijb",
        "pairs": len(pairs.same),
        "genuine": int(pairs.same.sum()),
        "people": len(np.unique(person)),
        "tar_at_far": points,
    }


def worst_errors(system: Verification, count: int) -> npt.NDArray[np.int64]:
    """Row numbers of at most `count` wrong pairs, the furthest on the wrong side of the threshold first."""
    margin = (system.scores - system.thresholds()) * np.where(system.trials.same, -1, 1)
    wrong = np.flatnonzero(system.decisions() != system.trials.same)
    return wrong[np.argsort(-margin[wrong], kind="stable")][:count]


def _difference(difference: Difference, test: str) -> dict[str, Any]:
    return {
        "difference": difference.difference,
        "confidence_interval": list(difference.confidence_interval),
        "p_value": difference.p_value,
        "test": test,
    }


def _clustered(
    right: Sequence[npt.NDArray[np.bool_]], people: npt.NDArray[np.int64] | None, added: float = 0.0
) -> Difference | None:
    """The difference of two systems' rates over probes or pairs of one person; None where all are of one."""
    shared = None if people is None else shared_people(people)
    return paired_difference(right[0], right[1], shared, added=added) if shared else None


def _identity_aware(found: Difference | None) -> dict[str, Any]:
    return {
        "identity_interval": list(found.confidence_interval) if found else None,
        "identity_p_value": found.p_value if found else None,
    }


def _disagreements(
    first: Verification, second: Verification, right: Sequence[npt.NDArray[np.bool_]]
) -> list[dict[str, Any]]:
    trials = first.trials
    return [
        {
            "left": trials.left[i],
            "right": trials.right[i],
            "same": bool(trials.same[i]),
            "scores": [float(first.scores[i]), float(second.scores[i])],
            "right_system": 1 if right[0][i] else 2,
        }
        for i in np.flatnonzero(right[0] != right[1]).tolist()
    ]
