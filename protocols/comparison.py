"""Two systems on the same trials: the difference, its interval, paired tests, and where they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.metrics.identification import bootstrap_dir
from nsface.metrics.roc import roc, tar_at_far
from nsface.metrics.statistics import (
    Difference,
    bootstrap_difference,
    identity_bootstrap,
    mcnemar,
    paired_folds,
)
from nsface.protocols.identification import FARS, Measured
from nsface.protocols.ijb import FARS as IJB_FARS
from nsface.protocols.ijb import TemplatePairs, people_of
from nsface.protocols.trials import identity
from nsface.protocols.verification import Verification


def compare_verification(first: Verification, second: Verification) -> dict[str, Any]:
    """Compare accuracy: paired t test over folds, McNemar, and the interval that resamples people.

    Returns:
        The documented JSON object; `disagreements` has the pairs that exactly one system decides rightly. The
        interval that resamples people is null where names have no folder that says who they are.

    Raises:
        DataError: without folds there are no decisions to compare.
    """
    trials = first.trials
    right = [system.decisions() == trials.same for system in (first, second)]
    if first.kfold is None or second.kfold is None:
        raise DataError(f"{trials.source}: a comparison needs folds; give a list that has them")
    folds = [[fold.accuracy for fold in system.folds] for system in (first, second)]
    gain = right[0].astype(np.float64) - right[1]
    people, others = ([identity(name) for name in names] for names in (trials.left, trials.right))
    return {
        "protocol": first.protocol,
        "pairs": len(trials),
        "accuracy": [first.kfold.accuracy, second.kfold.accuracy],
        **_difference(paired_folds(*folds), "paired t test over folds"),
        "identity_bootstrap_interval": (
            list(identity_bootstrap(gain, people, others)) if all(people) and all(others) else None
        ),
        "mcnemar": asdict(mcnemar(*right)),
        "disagreements": _disagreements(first, second, right),
    }


def compare_identification(first: Measured, second: Measured, fars: Sequence[float] = FARS) -> dict[str, Any]:
    """Compare DIR at rank 1 by a paired bootstrap, and Rank-1 by McNemar's test.

    Raises:
        DataError: nothing that both measured.
    """
    compared: dict[str, Any] = {"protocol": "identification"}
    if first.closed is not None and second.closed is not None:
        hits = [first.closed.rank == 1, second.closed.rank == 1]
        compared["rank_1"] = {
            "rank_1": [float(h.mean()) for h in hits],
            "difference": float(hits[0].mean() - hits[1].mean()),
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

    Each system has its own threshold, which is taken as fixed: it rests on millions of impostor pairs. The
    interval resamples the people of the genuine pairs, McNemar's test takes these as independent.
    """
    curves = [roc(system, pairs.same) for system in scores]
    person = people_of(pairs)
    genuine = [system[pairs.same] for system in scores]
    points = []
    for far in fars:
        found = [tar_at_far(curve, far) for curve in curves]
        accepted = [own >= np.float64(point.threshold) for own, point in zip(genuine, found, strict=True)]
        gain = accepted[0].astype(np.float64) - accepted[1]
        points.append(
            {
                "far": far,
                "tar": [point.tar for point in found],
                "difference": found[0].tar - found[1].tar,
                "identity_bootstrap_interval": list(identity_bootstrap(gain, person, person)),
                "mcnemar": asdict(mcnemar(*accepted)),
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
    thresholds = np.array([fold.threshold for fold in system.folds])
    place = np.searchsorted(np.unique(system.trials.fold), system.trials.fold)
    margin = (system.scores - thresholds[place]) * np.where(system.trials.same, -1, 1)
    wrong = np.flatnonzero(system.decisions() != system.trials.same)
    return wrong[np.argsort(-margin[wrong], kind="stable")][:count]


def _difference(difference: Difference, test: str) -> dict[str, Any]:
    return {
        "difference": difference.difference,
        "confidence_interval": list(difference.confidence_interval),
        "p_value": difference.p_value,
        "test": test,
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
