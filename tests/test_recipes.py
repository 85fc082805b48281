"""Every recipe that is shipped can be used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nsface.recipe import load_recipe
from nsface.training.build import build_head

RECIPES = sorted((Path(__file__).resolve().parents[1] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe(path: Path) -> None:
    recipe = load_recipe(path)
    with torch.device("meta"):
        network, head = recipe.network.build(recipe.input), build_head(recipe, 10)
        images = torch.zeros(2, 3, recipe.input.height, recipe.input.width)
        assert head.weight.shape[1] == network.eval()(images).shape[1] == recipe.network.embedding_size


def test_the_two_arms_of_a_comparison_differ_in_the_head_alone() -> None:
    softmax, noisy = (
        load_recipe(path).model_dump() for path in RECIPES if path.stem in ("casia-noisy", "casia-softmax")
    )
    assert {key for key in softmax if softmax[key] != noisy[key]} == {"head"}
