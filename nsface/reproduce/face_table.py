"""The table on faces: its arms and ensembles, how much is trained, and the published rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from nsface.report.published import PUBLISHED, Published
from nsface.reproduce.arms import ARMS, BASELINE, BIAS, Arm

FaceScaleName = Literal["quick", "reduced"]


@dataclass(frozen=True)
class FaceScale:
    """How much of the table is trained.

    Attributes:
        about: a sentence about it.
        changes: of the recipe, by dotted key, for all arms alike.
        seeds: 0, 1, …, so many.
        arms: keys of `FACE_ARMS`, the most telling first.
    """

    about: str
    changes: Mapping[str, Any]
    seeds: int
    arms: tuple[str, ...]


def _without_bias(arm: Arm) -> Arm:
    """`arm` with the recipe's own choice of a bias; recipes for faces have none."""
    return replace(arm, changes={key: value for key, value in arm.changes.items() if key not in BIAS})


# The arms that differ in the head alone: what else an arm changes is made for small images.
FACE_ARMS: dict[str, Arm] = {
    name: _without_bias(arm)
    for name, arm in ARMS.items()
    if all(key.startswith("head.") for key in arm.changes)
}

SCALES: dict[FaceScaleName, FaceScale] = {
    "quick": FaceScale(
        "A narrow network and two epochs: it shows that everything works, and nothing about the methods.",
        {"epochs": 2, "log_every": 20},
        2,
        (BASELINE, "noisy-0.1"),
    ),
    "reduced": FaceScale(
        "Every arm has the recipe's network, schedule and augmentation; the arms differ in the head alone.",
        {},
        3,
        (BASELINE, "noisy-0.1", "noisy-0.05", "noisy-0.5", "noisy-1"),
    ),
}
RECIPES: dict[FaceScaleName, str] = {"quick": "lfw-quick", "reduced": "lfw-small"}


@dataclass(frozen=True)
class Ensemble:
    """Two networks whose embeddings are normalised and concatenated.

    Attributes:
        arms: of the two networks.
    """

    arms: tuple[str, str]

    @property
    def name(self) -> str:
        return "+".join(self.arms)

    @property
    def title(self) -> str:
        return " and ".join(FACE_ARMS[arm].title for arm in self.arms)

    @property
    def independent(self) -> bool:
        """Whether no network is in two of the pairs: only then are they a sample for a test over seeds."""
        return self.arms[0] != self.arms[1]

    def pairs(self, seeds: Sequence[int]) -> dict[int, tuple[int, int]]:
        """The seeds of both networks, by that of the first.

        Of two arms, those with one seed. Of one arm, each seed and the next, the last and the first; of two
        seeds that is one pair, of one seed none.

        Example:
            >>> Ensemble(("noisy-0.1", "noisy-0.1")).pairs([0, 1, 2])
            {0: (0, 1), 1: (1, 2), 2: (2, 0)}
        """
        if self.independent:
            return {seed: (seed, seed) for seed in seeds}
        nexts = [*seeds[1:], *seeds[:1]]
        pairs = dict(zip(seeds, zip(seeds, nexts, strict=True), strict=True))
        return pairs if len(seeds) > 2 else dict(list(pairs.items())[: len(seeds) // 2])


# Two of Softmax are the control: what two networks gain without any noise.
ENSEMBLES = (
    Ensemble((BASELINE, "noisy-0.1")),
    Ensemble(("noisy-0.1", "noisy-0.1")),
    Ensemble((BASELINE, BASELINE)),
)
PAIRING = (
    "Ensembles are two networks, whose embeddings are normalised and concatenated. Those of two arms pair "
    "the networks with one seed; those of one arm pair each seed with the next, and the last with the first. "
    "A network of the latter is in two pairs, therefore they have no test over seeds."
)

TABLE_5: tuple[Published, ...] = (
    *PUBLISHED,
    Published("Noisy Softmax, two networks, WebFace+", (99.31, None, None, 94.43, 95.37)),
)
NOT_COMPARABLE = (
    "The published rows are of other networks and other training data (WebFace+ is CASIA-WebFace with an "
    "unpublished expansion); rows from other training data cannot be compared with them."
)
DOUBTS = (
    "The test over seeds knows the chance of training alone, and that over pairs the chance of the test "
    "images alone; a difference that holds beyond both needs both.",
)
CHOSEN_ON_LFW = "The settings of the recipe lfw-small were chosen after trainings that were scored on LFW."
SOME_EXCLUDED = (
    "Identities left out of the training: {}. Others may be in LFW too: nsface overlap looks for them."
)
NOBODY_EXCLUDED = (
    "No identity was left out of the training (--exclude): people in LFW may have been trained on."
)
