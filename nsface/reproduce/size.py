"""How much was trained, in words that are computed from the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nsface.errors import joined
from nsface.recipe.text import dotted

# keys that say nothing about the size: what is trained on and by what, and what is written on the way
_BESIDE = {
    "cache", "checkpoint_minutes", "compile", "data", "device", "guard.learning", "log_every", "precision",
    "seed", "streaming", "tensorboard", "test_every",
}  # fmt: skip


def size_in_words(
    recipe: Mapping[str, Any], full: Mapping[str, Any], name: str, environment: Mapping[str, Any]
) -> list[str]:
    """Sentences about the network and the length of the training, and what the recipe has in their place.

    Args:
        recipe: resolved, of any arm.
        full: the recipe as it comes with nsface, resolved.
        name: what that is called.
        environment: of a run by `recipe`, where one has ended, for the numbers of images and parameters.
    """
    sentences = [f"{_network(recipe, environment)}; {_length(recipe, environment)}; {_rate(recipe)}."]
    if changed := _changed(recipe, full):
        sentences.append(f"In place of what the recipe {name} has in brackets: {changed}.")
    else:
        sentences.append(f"That is the recipe {name} as it is.")
    return sentences


def _network(recipe: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    network = recipe["network"]
    parts = [f"{network['channels']} channels at first"] if "channels" in network else []
    parts.append(f"{network['embedding_size']} features")
    if "parameters" in environment:
        parts.append(f"{environment['parameters']:,} parameters")
    return f"{network['name']} with {joined(parts)}"


def _length(recipe: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    batch, images = recipe["batch_size"], environment.get("images")
    if not recipe["iterations"]:
        passes = f"{recipe['epochs']:,} passes through "
        return passes + (f"{images:,} training images" if images else "the training images")
    text = f"{recipe['iterations']:,} steps of {batch:,} images"
    if images:
        text += f", {recipe['iterations'] * batch / images:.3g} passes through {images:,} training images"
    return text


def _rate(recipe: Mapping[str, Any]) -> str:
    schedule, rate = recipe["schedule"], f"learning rate {recipe['optimizer']['learning_rate']:g}"
    if schedule["kind"] != "step":
        return f"{rate}, schedule {schedule['kind']}"
    unit = "steps" if recipe["iterations"] else "epochs"
    after = joined([f"{milestone:,.4g}" for milestone in schedule["milestones"]])
    return f"{rate}, multiplied by {schedule['factor']:g} after {unit} {after}" if after else rate


def _changed(recipe: Mapping[str, Any], full: Mapping[str, Any]) -> str:
    """`network.channels 8 (64), iterations 1,000 (10,000)`, without milestones that move with the length."""
    own, given = dotted(dict(recipe)), dotted(dict(full))
    if own["iterations"] and given["iterations"]:
        share = own["iterations"] / given["iterations"]
        moved = [share * one for one in given["schedule.milestones"]]
        if np.shape(moved) == np.shape(own["schedule.milestones"]) and np.allclose(
            moved, own["schedule.milestones"], rtol=1e-9, atol=0.0
        ):
            moved = own["schedule.milestones"]  # which the recipe computes in another order
        given["schedule.milestones"] = moved
    keys = [
        key for key in dict.fromkeys([*own, *given]) if key not in _BESIDE and not key.startswith("head.")
    ]
    return ", ".join(
        f"{key} {_value(own.get(key))} ({_value(given.get(key))})"
        for key in keys
        if own.get(key) != given.get(key)
    )


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    return "none" if value is None else str(value)
