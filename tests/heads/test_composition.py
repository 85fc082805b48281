"""What can be combined can be said in a recipe; what cannot is refused there, before any data are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nsface.errors import DataError, RecipeError
from nsface.heads import HEADS, NormalisedHead
from nsface.recipe import Recipe
from nsface.training.build import build_head
from nsface.training.run import train

WITHOUT_NOISE = {"softmax", "label-smoothing", "disturb-label"}


def recipe(**head: Any) -> Recipe:
    network = {"name": "light-resnet", "embedding_size": 4, "channels": 8}
    return Recipe.model_validate({"network": network, "head": head, "epochs": 1, "data": "/nowhere"})


def refused_or_built(name: str, **arguments: Any) -> str | None:
    try:
        build_head(recipe(name=name, **arguments), identities=9)
    except RecipeError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", HEADS)
def test_noise_goes_with_every_head_but_three(name: str) -> None:
    message = refused_or_built(name, alpha2=0.1)
    if name in WITHOUT_NOISE:
        assert message is not None
        assert message.startswith(f"head.alpha2: {name} has no such argument")
    else:
        assert message is None


@pytest.mark.parametrize("name", HEADS)
def test_sampled_classes_go_with_normalised_heads(name: str) -> None:
    message = refused_or_built(name, sample_rate=0.3)
    if issubclass(HEADS[name], NormalisedHead):
        assert message is None
    else:
        assert message is not None
        assert message.startswith(f"head.sample_rate: {name} has no such argument")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"name": "arcfase"}, "head.name: unknown head 'arcfase'; did you mean 'arcface'?"),
        ({"name": "noisy-softmax", "alpha2": -0.1}, r"alpha2 .* ≥ 0, not -0\.1"),
        (
            {"name": "noisy-softmax", "variant": "angular"},
            "head.variant: .*'annealed', 'amplitude' or 'free'",
        ),
        ({"name": "gradient-decay", "beta": 0.0}, "beta must be a number > 0, not 0"),
        ({"name": "arcface", "margin": 28.6}, r"margin must be in \[0, 1\.5708\], not 28\.6"),
        ({"name": "l-softmax", "margin": 2.5}, "head.margin: .*integer"),
        ({"name": "cosface", "sample_rate": 0.0}, r"sample_rate must be in \(0, 1\], not 0"),
        ({"name": "cosface", "bias": True}, "head.bias: cosface has no such argument"),
    ],
)
def test_refused_before_data_are_read(head: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        train(recipe(**head), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_right_head_gets_as_far_as_the_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="/nowhere"):
        train(recipe(name="arcface", margin=0.3, alpha2=0.1, sample_rate=0.5), tmp_path / "run")
