"""What the table on faces says it has found, from scores that are given by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsface.reproduce.face_findings import claims, lead
from nsface.reproduce.face_outcomes import FaceReproduction, Training
from nsface.reproduce.face_scores import Scored, System
from nsface.reproduce.face_table import SCALES
from nsface.results import Verification

LEAD = (
    "Noisy Softmax, α² = 0.1 is better than Softmax in {} of 1 figure and worse in {}, beyond chance "
    "(3 seeds, by Holm)."
)


def verification(accuracy: float) -> Verification:
    return Verification(
        protocol="lfw", pairs=20, genuine=10, similarity="cosine", accuracy=accuracy, standard_error=None,
        confidence_interval=None, folds=(), auc=0.97, eer=0.1, tar_at_far=(),
    )  # fmt: skip


def table(*accuracies: tuple[float, float], expected: int | None = None) -> FaceReproduction:
    """Accuracies of Softmax and of Noisy Softmax, seed by seed."""
    scored, trainings = [], []
    for seed, pair in enumerate(accuracies):
        for arm, accuracy in zip(("softmax", "noisy-0.1"), pair, strict=True):
            system = System(arm, seed, (), Path(f"{arm}-seed{seed}"))
            scored.append(Scored(system, {"LFW": verification(accuracy)}))
            trainings.append(Training(arm, seed, system.folder.name, False, 1.0, 0.5))
    return FaceReproduction(
        "reduced", SCALES["reduced"], "lfw-small", {}, trainings, scored, expected or len(trainings),
        {}, {"LFW": ("pairs.txt",)}, (), {}, (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("accuracies", "counts", "said"),
    [
        (((0.80, 0.851), (0.81, 0.860), (0.79, 0.839)), (1, 0), "better: LFW (85.00 against 80.00 %)."),
        (((0.851, 0.80), (0.860, 0.81), (0.839, 0.79)), (0, 1), "worse: LFW (80.00 against 85.00 %)."),
        (((0.80, 0.85), (0.81, 0.80), (0.79, 0.80)), (0, 0), None),
    ],
)
def test_what_is_beyond_chance_is_said(
    accuracies: tuple[tuple[float, float], ...], counts: tuple[int, int], said: str | None
) -> None:
    found = table(*accuracies)
    assert lead(found) == [LEAD.format(*counts)]
    assert claims(found) == ([f"Noisy Softmax, α² = 0.1, {said}"] if said else [])


def test_two_seeds_tell_nothing() -> None:
    found = table((0.80, 0.851), (0.81, 0.860), expected=6)
    assert lead(found) == [
        "So far 4 of 6 trainings have ended.",
        "Whether Noisy Softmax, α² = 0.1 is better than Softmax cannot be told: a test needs 3 seeds that "
        "have ended in both.",
    ]
    assert claims(found) == []
