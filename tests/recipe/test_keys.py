"""What is known of recipes without their schema agrees with the schema."""

from __future__ import annotations

from typing import Any

import pytest

from nsface.recipe.keys import KEYS_WITHOUT_EFFECT, LATER_DEFAULTS, decisive, with_defaults
from nsface.recipe.schema import Recipe
from nsface.recipe.text import dotted

# those of nsface 0.3, whose run folders have them all
VERSION_3 = """
    data exclude cache streaming input.height input.width input.colour input.mean input.std input.template
    network.name network.embedding_size head.name auxiliary sampler augmentation.mirror augmentation.shift
    augmentation.rotation augmentation.zoom augmentation.brightness augmentation.contrast augmentation.grey
    augmentation.blur augmentation.jpeg augmentation.erase optimizer.learning_rate optimizer.momentum
    optimizer.nesterov optimizer.weight_decay optimizer.clip_norm schedule.kind schedule.milestones
    schedule.factor schedule.power schedule.warmup epochs iterations batch_size seed device precision
    log_every
"""
FIRST = set(VERSION_3.split())


def resolved(**changes: Any) -> dict[str, Any]:
    kept = {"network": {"name": "light-resnet"}, "head": {"name": "softmax"}, "epochs": 1}
    return Recipe.model_validate(kept | changes).model_dump()


def test_every_key_has_its_default() -> None:
    values = dotted(resolved())
    later = {key: value for key, value in values.items() if key not in FIRST}
    assert values.keys() >= FIRST
    assert later == LATER_DEFAULTS, "a key that is new has its default in LATER_DEFAULTS"
    assert {key for key in KEYS_WITHOUT_EFFECT if key not in FIRST} <= LATER_DEFAULTS.keys()


def test_a_recipe_of_an_earlier_version_is_the_same() -> None:
    new = resolved()
    old = {key: value for key, value in new.items() if key not in ("init", "freeze", "guard", "validate")}
    old["optimizer"] = {key: value for key, value in new["optimizer"].items() if key != "backbone_rate"}
    assert with_defaults(old) == with_defaults(new)
    assert decisive(old) == decisive(new)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"seed": 3}, True),
        ({"data": "elsewhere", "cache": "x", "log_every": 7, "checkpoint_minutes": None}, True),
        ({"guard": {"learning": 4}}, True),
        ({"guard": {"skip": 4}}, False),
        ({"validate": [{"images": "a", "pairs": "b"}]}, True),
        ({"validate": [{"held_out": 20}]}, False),
        ({"batch_size": 8}, False),
        ({"precision": "bf16"}, False),
    ],
)
def test_what_decides_the_weights(changes: dict[str, Any], same: bool) -> None:
    assert (decisive(resolved()) == decisive(resolved(**changes))) == same
    schema = (
        Recipe.model_validate(resolved()).decisive() == Recipe.model_validate(resolved(**changes)).decisive()
    )
    assert schema == (same and "seed" not in changes)


def test_a_model_to_begin_with_counts_by_its_digest() -> None:
    one, other = (resolved() | {"init": {"model": name, "digest": "d"}} for name in "ab")
    assert decisive(one) == decisive(other)
    assert decisive(one) != decisive(resolved())
