"""What is known of the keys of recipes without their schema, and so without torch."""

from __future__ import annotations

from typing import Any

from nsface.recipe.text import dotted

# keys that do not decide the weights: the path of the images says nothing about which images they are
KEYS_WITHOUT_EFFECT = {
    "data",
    "cache",
    "streaming",
    "log_every",
    "checkpoint_minutes",
    "guard.learning",
    "tensorboard",
    "test_every",
}
# keys that came after nsface 0.3, and their defaults, by which runs of then were trained
LATER_DEFAULTS: dict[str, Any] = {
    "init": None,
    "freeze": None,
    "optimizer.backbone_rate": 1.0,
    "guard.skip": 10,
    "guard.learning": None,
    "guard.then": "stop",
    "guard.factor": 0.1,
    "guard.returns": 3,
    "validate": [],
    "checkpoint_minutes": 10.0,
    "tensorboard": False,
    "accumulate": 1,
    "ema": None,
    "classifier_precision": "fp32",
    "compile": "auto",
    "task": "embedding",
    "test_every": 1.0,
    "augmentation.padding": "edge",
}


def with_defaults(recipe: dict[str, Any]) -> dict[str, Any]:
    """By dotted key the values of a resolved recipe, of this or an earlier version of nsface."""
    return LATER_DEFAULTS | dotted(recipe)


def decisive(recipe: dict[str, Any]) -> dict[str, Any]:
    """By dotted key what of a resolved recipe decides the weights, but the images and the seed."""
    without = {*KEYS_WITHOUT_EFFECT, "seed", "validate"}
    values = {key: value for key, value in with_defaults(recipe).items() if key not in without}
    if "init.digest" in values:
        values.pop("init.model", None)
    return values | {"held_out": held_out(recipe)}


def held_out(recipe: dict[str, Any]) -> int:
    """How many identities a resolved recipe holds out of the training."""
    return sum(one.get("held_out") or 0 for one in recipe.get("validate") or [])
