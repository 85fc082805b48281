"""The tables of images in classes: the recipe, how much is trained, and the published figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ScaleName = Literal["quick", "reduced", "full"]


@dataclass(frozen=True)
class Scale:
    """How much of a table is trained.

    Attributes:
        changes: of the table's recipe, by dotted key, for all arms alike.
        seeds: 0, 1, …, so many.
        arms: keys of `ARMS`, the most telling first.
    """

    changes: Mapping[str, Any]
    seeds: int
    arms: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of errors on test images.

    Attributes:
        title: the name of the data set, as the paper has it.
        recipe: the name of the recipe that comes with nsface.
        scales: by name.
        published: errors of arms in per cent, by key of `ARMS`.
        others: published errors of other systems, in per cent, by name.
        doubts: what the table does not show, a sentence each.
    """

    title: str
    recipe: str
    scales: Mapping[ScaleName, Scale]
    published: Mapping[str, float]
    others: Mapping[str, float] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


SOURCE = "Chen, Deng and Du, CVPR 2017 (https://arxiv.org/abs/1708.03769)"
_NOISY = ("noisy-0.1", "noisy-0.5", "noisy-0.05", "noisy-1")
_PAPER = ("softmax", *_NOISY, "disturb-label")
_REDUCED = (*_PAPER, "free", "gradient-decay-0.1", "label-smoothing")
STAND_IN = (
    "The paper's tables of layers could not be confirmed: the network is a stand-in of the same family, and "
    "the schedule follows the solver of Large-Margin Softmax."
)
_RATES = "There, biases have twice the learning rate; here they have that of the weights."


def _narrow(channels: int, size: int, steps: int, **changes: Any) -> dict[str, Any]:
    """A narrower network and a shorter training; the milestones of the schedule move with its length."""
    return {"network.channels": channels, "network.embedding_size": size, "iterations": steps, **changes}


_QUICK = Scale(_narrow(8, 64, 1000, log_every=50, test_every=0.5), 3, ("softmax", "noisy-0.1", "noisy-0.5"))

TABLES: dict[str, Table] = {
    "mnist": Table(
        "MNIST",
        "mnist",
        {
            "quick": _QUICK,
            "reduced": Scale(
                _narrow(16, 128, 4000),
                5,
                ("softmax", "noisy-0.1", "noisy-0.5"),
            ),
            "full": Scale({}, 5, _PAPER),
        },
        {
            "softmax": 0.43,
            "noisy-1": 0.42,
            "noisy-0.5": 0.33,
            "noisy-0.1": 0.33,
            "noisy-0.05": 0.37,
            "disturb-label": 0.33,
        },
        {"R-CNN": 0.31, "DSN": 0.39, "Maxout": 0.45, "NiN": 0.47},
        (STAND_IN, _RATES, "An error of 0.01 % is one of 10,000 images: 0.1 points apart are ten images."),
    ),
    "cifar10": Table(
        "CIFAR-10",
        "cifar10",
        {
            "quick": _QUICK,
            "reduced": Scale(
                _narrow(16, 128, 6000),
                3,
                _REDUCED,
            ),
            "full": Scale({}, 5, _REDUCED),
        },
        {
            "softmax": 8.11,
            "noisy-1": 9.09,
            "noisy-0.5": 7.84,
            "noisy-0.1": 7.39,
            "noisy-0.05": 7.58,
            "disturb-label": 9.45,
        },
        {"NiN": 10.47, "Maxout": 11.68, "DSN": 9.69, "All-CNN": 9.08, "R-CNN": 8.69},
        (STAND_IN, _RATES),
    ),
    "cifar10+": Table(
        "CIFAR-10+",
        "cifar10-plus",
        {
            "quick": _QUICK,
            "reduced": Scale(
                _narrow(16, 128, 6000),
                3,
                _REDUCED,
            ),
            "full": Scale({}, 5, _REDUCED),
        },
        {
            "softmax": 6.98,
            "noisy-1": 8.77,
            "noisy-0.5": 7.13,
            "noisy-0.1": 6.36,
            "noisy-0.05": 6.61,
            "disturb-label": 6.98,
        },
        {"NiN": 8.81, "Maxout": 9.38, "DSN": 7.97, "All-CNN": 7.25, "R-CNN": 7.09, "ResNet": 6.43},
        (STAND_IN, _RATES),
    ),
    "cifar100": Table(
        "CIFAR-100",
        "cifar100",
        {
            "quick": _QUICK,
            "reduced": Scale(
                _narrow(24, 128, 6000),
                3,
                _PAPER,
            ),
            "full": Scale({}, 5, _REDUCED),
        },
        {
            "softmax": 31.77,
            "noisy-1": 35.23,
            "noisy-0.5": 30.22,
            "noisy-0.1": 28.48,
            "noisy-0.05": 29.99,
            "disturb-label": 32.99,
        },
        {"NiN": 35.68, "Maxout": 38.57, "DSN": 34.57, "All-CNN": 33.71, "R-CNN": 31.75},
        (STAND_IN, _RATES),
    ),
}
