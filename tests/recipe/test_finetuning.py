"""The parts of a recipe for fine-tuning: short forms, what is taken from the model, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nsface.errors import RecipeError
from nsface.files import digest
from nsface.recipe.finetuning import Freeze
from nsface.recipe.schema import Recipe, load_recipe
from tests.tiny_model import write_tiny_model

TEXT = """\
init: {model}
head: {{name: softmax}}
epochs: 3
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model.safetensors", height=64, mean=100.0)


def load(model: Path, more: str = "", overrides: dict[str, Any] | None = None) -> Recipe:
    path = model.parent / "recipe.yaml"
    path.write_text(TEXT.format(model=model) + more)
    return load_recipe(path, overrides)


def test_what_is_left_out_is_taken_from_the_model(model: Path) -> None:
    recipe = load(model)
    assert recipe.init is not None
    assert (recipe.init.model, recipe.init.digest) == (str(model), digest(model))
    assert (recipe.network.name, recipe.network.embedding_size) == ("light-resnet", 16)
    assert recipe.network.arguments == {"channels": 8}
    assert (recipe.input.height, recipe.input.width, recipe.input.mean) == (64, 96, 100.0)
    assert load(model, "network:\ninput:\n") == recipe, "null is left out too"
    given = load(model, "network: {name: sphereface-4}\n")
    assert (given.network.name, given.input.height) == ("sphereface-4", 64)


def test_a_written_recipe_is_complete_without_the_model(model: Path) -> None:
    recipe = load(model, "freeze: [stem, stages.1]\n")
    saved = model.parent / "saved.yaml"
    saved.write_text(recipe.to_yaml())
    model.unlink()
    assert load_recipe(saved) == recipe
    assert load_recipe(saved).digest() == recipe.digest()


def test_the_path_is_from_the_working_directory(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (model.parent / "below").mkdir()
    (model.parent / "below" / "recipe.yaml").write_text(TEXT.format(model="model.safetensors"))
    monkeypatch.chdir(model.parent)
    recipe = load_recipe("below/recipe.yaml")
    assert recipe.init is not None
    assert recipe.init.model == "model.safetensors"


def test_former_recipe_stands_in_for_a_model_that_is_gone(model: Path) -> None:
    recipe = load(model)
    former = model.parent / "former.yaml"
    former.write_text(recipe.to_yaml())
    path = model.parent / "recipe.yaml"
    model.unlink()
    assert load_recipe(path, former=former) == recipe
    assert load_recipe(path, {"seed": 3}, former=former).seed == 3
    with pytest.raises(RecipeError, match=r"other\.safetensors: cannot be read"):
        load_recipe(path, {"init": str(model.parent / "other.safetensors")}, former=former)
    with pytest.raises(RecipeError, match=r"recipe\.yaml:1: init: .*model\.safetensors: cannot be read"):
        load_recipe(path, former=model.parent / "none.yaml")


@pytest.mark.parametrize(
    ("text", "parts", "time"),
    [
        ("freeze: all", ["all"], (None, None)),
        ("freeze: [stem, stages.0]", ["stem", "stages.0"], (None, None)),
        ("freeze: {parts: stem}", ["stem"], (None, None)),
        ("freeze: {epochs: 2}", ["all"], (2, None)),
        ("freeze: {parts: [fc], epochs: 1}", ["fc"], (1, None)),
    ],
)
def test_short_forms(model: Path, text: str, parts: list[str], time: tuple[int | None, int | None]) -> None:
    freeze = load(model, text + "\n").freeze
    assert freeze is not None
    assert (freeze.parts, (freeze.epochs, freeze.iterations)) == (parts, time)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "freeze: [stage.0]",
            r"recipe\.yaml:4: freeze\.parts: no part of light-resnet is called 'stage\.0' "
            r"\(did you mean 'stages\.0', 'stages\.2' or 'stages\.1'\?\); there are: stem, stages, dropout, ",
        ),
        ("freeze: [stage]", r"no part of light-resnet is called 'stage' \(did you mean 'stages'"),
        ("freeze: ['']", r"no part of light-resnet is called ''; there are"),
        ("freeze: [fc.weight]", r"no part of light-resnet is called 'fc\.weight'"),
        ("freeze: []", r"recipe\.yaml:4: freeze\.parts: .*at least 1"),
        ("freeze: 3", r"recipe\.yaml:4: freeze: "),
        ("freeze: {part: [fc]}", r"freeze\.part: no such key \(did you mean 'parts'"),
        (
            "freeze: {epochs: 3}",
            r"recipe\.yaml:4: freeze\.epochs must be shorter than the run \(3\); ",
        ),
        ("freeze: {iterations: 3}", r"freeze\.iterations: the run is as long as `epochs` says"),
        ("freeze: {epochs: 0}", r"freeze\.epochs: .*greater than or equal to 1"),
        ("optimizer: {backbone_rate: 0}", r"recipe\.yaml:4: optimizer\.backbone_rate: .*greater than 0"),
    ],
)
def test_what_is_refused(model: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load(model, text + "\n")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("none.safetensors", r"given on the command line: init: .*none\.safetensors: cannot be read"),
        (".", r"init: \.: a folder, not a model file"),
        ("\0", "init: "),
        (7, "init: "),
        ({"model": 7}, r"init\.model: "),
        ({}, r"init\.model: missing"),
        ({"model": "x", "digest": "abc"}, r"init\.digest: "),
    ],
)
def test_what_is_no_model(model: Path, value: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load(model, "network: {name: light-resnet}\n", {"init": value})


def test_frozen_random_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    text = "head: {name: softmax}\nepochs: 3\nnetwork: {name: light-resnet}\nfreeze: all\n"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"recipe\.yaml:4: freeze: without init"):
        load_recipe(path)


def test_digests_of_recipes_of_nsface_0_3_stay() -> None:
    """As nsface 0.3 computed them."""
    assert load_recipe("demo").digest() == "23eabf8ce6371699c69b914a8a8e2c20f5bfc7a8d64ade51681897f9f583571f"


def test_a_part_is_a_module_and_not_the_beginning_of_a_name() -> None:
    network = nn.ModuleDict({"layer1": nn.Linear(1, 1), "layer10": nn.Sequential(nn.ReLU())})
    length = {"epochs": 2, "iterations": None}
    for part in ("layer1", "layer10", "layer10.0", "all"):
        Freeze(parts=[part]).check("it", network, length)
    with pytest.raises(ValueError, match=r"no part of it is called 'layer'"):
        Freeze(parts=["layer"]).check("it", network, length)


def test_every_network_can_be_frozen_part_by_part() -> None:
    from nsface.networks import NETWORKS

    for name in NETWORKS:
        recipe = {"network": {"name": name, "embedding_size": 8}, "head": {"name": "softmax"}, "epochs": 1}
        parts = [child for child, _ in load_network(recipe).named_children()]
        init = {"model": "unread", "digest": "0" * 64}
        assert Recipe.model_validate(recipe | {"init": init, "freeze": parts}).freeze is not None


def load_network(recipe: dict[str, Any]) -> nn.Module:
    validated = Recipe.model_validate(recipe)
    with torch.device("meta"):
        return validated.network.plan(validated.input)
