"""The arms of the tables: objectives, and what else is compared with them, as changes of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BASELINE = "softmax"
BIAS = {"head.bias": True}


@dataclass(frozen=True)
class Arm:
    """One arm.

    Attributes:
        title: what a table calls it.
        changes: of the table's recipe, by dotted key.
        against: the arm that it is tested against.
        note: what beside the objective differs from the other arms; '' for most.
    """

    title: str
    changes: Mapping[str, Any]
    against: str = BASELINE
    note: str = ""


def _noisy(alpha2: float, **arguments: Any) -> dict[str, Any]:
    """Noisy Softmax, as changes of a recipe."""
    given = {f"head.{name}": value for name, value in arguments.items()}
    return {"head.name": "noisy-softmax", "head.alpha2": alpha2, **BIAS, **given}


ARMS: dict[str, Arm] = {
    BASELINE: Arm("Softmax", {"head.name": "softmax", **BIAS}),
    "noisy-1": Arm("Noisy Softmax, α² = 1", _noisy(1.0)),
    "noisy-0.5": Arm("Noisy Softmax, α² = 0.5", _noisy(0.5)),
    "noisy-0.1": Arm("Noisy Softmax, α² = 0.1", _noisy(0.1)),
    "noisy-0.05": Arm("Noisy Softmax, α² = 0.05", _noisy(0.05)),
    "free": Arm("noise α|ξ|, α² = 0.1", _noisy(0.1, variant="free")),
    "amplitude": Arm("noise α‖W‖‖x‖|ξ|, α² = 0.1", _noisy(0.1, variant="amplitude")),
    "normal": Arm("annealed noise of both signs, α² = 0.1", _noisy(0.1, noise="normal")),
    "per-batch": Arm("Noisy Softmax, one ξ a batch, α² = 0.1", _noisy(0.1, noise_per="batch")),
    "disturb-label": Arm("DisturbLabel, 10 %", {"head.name": "disturb-label", "head.alpha": 0.1, **BIAS}),
    "label-smoothing": Arm(
        "label smoothing, 0.1", {"head.name": "label-smoothing", "head.epsilon": 0.1, **BIAS}
    ),
    "gradient-decay-0.1": Arm(
        "gradient decay, β from 0.01 to 0.1",
        {"head.name": "gradient-decay", "head.beta": 0.1, "head.warmup": 0.5, **BIAS},
    ),
    "gradient-decay-5": Arm(
        "gradient decay, β from 0.01 to 5",
        {"head.name": "gradient-decay", "head.beta": 5.0, "head.warmup": 0.5, **BIAS},
    ),
    "l-softmax": Arm("L-Softmax, m = 2", {"head.name": "l-softmax", "head.margin": 2}),
    "noisy-contrastive": Arm(
        "Noisy Softmax, α² = 0.1, with contrastive loss",
        {
            **_noisy(0.1),
            "auxiliary": [{"name": "contrastive", "weight": 0.1}],
            "sampler": {"identities": 8, "images": 16},
        },
        note="batches have 16 images of each of 8 classes, so that there are pairs",
    ),
    "softmax-augmented": Arm(
        "Softmax, shifted images", {"head.name": "softmax", **BIAS, "augmentation.shift": 2}
    ),
    "noisy-augmented": Arm(
        "Noisy Softmax, α² = 0.1, shifted images",
        {**_noisy(0.1), "augmentation.shift": 2},
        against="softmax-augmented",
    ),
    "tanh": Arm(
        "Softmax, hard tanh in place of ReLU",
        {"head.name": "softmax", **BIAS, "network.activation": "hard-tanh"},
    ),
    "nan-tanh": Arm(
        "Softmax, noisy hard tanh (NAN)",
        {"head.name": "softmax", **BIAS, "network.activation": "nan-tanh"},
        against="tanh",
    ),
    "nah-tanh": Arm(
        "Softmax, noisy hard tanh (NAH)",
        {"head.name": "softmax", **BIAS, "network.activation": "nah-tanh"},
        against="tanh",
    ),
}
