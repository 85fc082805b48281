"""What can be combined can be said in a recipe; what cannot is refused when the recipe is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nsface.arguments import own_arguments
from nsface.errors import RecipeError
from nsface.heads import HEADS, NormalisedHead
from nsface.recipe.schema import Recipe, load_recipe
from nsface.training.build import build_head


def read(folder: Path, **head: Any) -> Recipe:
    """The recipe with that head, written to a file a key a line."""
    path = folder / "recipe.yaml"
    lines = [f"  {key}: {value}" for key, value in head.items()]
    path.write_text(
        "\n".join(["network: {name: light-resnet, embedding_size: 4}", "epochs: 1", "head:", *lines])
    )
    return load_recipe(path)


def refused_or_built(folder: Path, name: str, **arguments: Any) -> str | None:
    try:
        recipe = read(folder, name=name, **arguments)
    except RecipeError as error:
        return str(error)
    assert isinstance(build_head(recipe, identities=9), HEADS[name])
    return None


@pytest.mark.parametrize("name", ["softmax", "label-smoothing", "disturb-label"])
def test_noise_does_not_go_with_these_heads(name: str, tmp_path: Path) -> None:
    message = refused_or_built(tmp_path, name, alpha2=0.1)
    assert message is not None
    assert f"recipe.yaml:5: head: alpha2: {name} has no such argument" in message


@pytest.mark.parametrize("name", [name for name in HEADS if "alpha2" in own_arguments(HEADS[name])])
def test_noise_goes_with_every_head_that_takes_it(name: str, tmp_path: Path) -> None:
    assert refused_or_built(tmp_path, name, alpha2=0.1) is None


@pytest.mark.parametrize("name", HEADS)
def test_sampled_classes_go_with_normalised_heads(name: str, tmp_path: Path) -> None:
    message = refused_or_built(tmp_path, name, sample_rate=0.3)
    if issubclass(HEADS[name], NormalisedHead):
        assert message is None
    else:
        assert message is not None
        assert f"recipe.yaml:5: head: sample_rate: {name} has no such argument" in message


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"name": "arcfase"}, r"4: head\.name: no head is called 'arcfase' \(did you mean 'arcface'\?"),
        ({"name": "noisy-softmax", "alpha2": -0.1}, r"5: head: alpha2 .* ≥ 0, not -0\.1"),
        (
            {"name": "noisy-softmax", "bias": "true", "variant": "angular"},
            "6: head: variant: .*'annealed', 'amplitude' or 'free'",
        ),
        ({"name": "noisy-softmax", "alpha2": "x"}, "5: head: alpha2: .*number .*got 'x'"),
        ({"name": "noisy-softmax", "noise_per": "day"}, "5: head: noise_per: .*'sample' or 'batch'"),
        ({"name": "noisy-softmax", "alpha": 1.0}, r"5: head: alpha: .*did you mean 'alpha2'\?"),
        ({"name": "gradient-decay", "beta": 0.0}, "5: head: beta must be a number > 0, not 0"),
        ({"name": "gradient-decay", "beta": -1.0}, "5: head: beta must be a number > 0, not -1"),
        (
            {"name": "arcface", "scale": 30.0, "margin": 28.6},
            r"6: head: margin must be in \[0, 1\.5708\], not 28\.6",
        ),
        ({"name": "l-softmax", "margin": 2.5}, "5: head: margin: .*integer"),
        ({"name": "cosface", "sample_rate": 0.0}, r"5: head: sample_rate must be in \(0, 1\], not 0"),
        ({"name": "cosface", "bias": "true"}, "5: head: bias: cosface has no such argument"),
        # the default of the other one is what no longer fits: the line of the head
        ({"name": "magface", "lower_margin": 0.9}, r"3: head: upper_margin must be in \[0\.9, .*, not 0\.8"),
    ],
)
def test_refused_with_the_line(head: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=rf"recipe\.yaml:{message}"):
        read(tmp_path, **head)


def test_refused_on_the_command_line(tmp_path: Path) -> None:
    read(tmp_path, name="noisy-softmax", alpha2=0.1)
    for given, message in (
        ({"head.alpha2": -1.0}, "head: alpha2 .* must be a number ≥ 0, not -1"),
        ({"head.name": "softmax", "head.alpha2": 0.1}, "head: alpha2: softmax has no such argument"),
        ({"head.name": "arcfase"}, r"head\.name: no head is called 'arcfase'"),
    ):
        with pytest.raises(RecipeError, match=f"^given on the command line: {message}"):
            load_recipe(tmp_path / "recipe.yaml", given)


def test_reading_a_recipe_draws_nothing(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    read(tmp_path, name="arcface", margin=0.3, alpha2=0.1, sample_rate=0.5)
    assert torch.equal(torch.random.get_rng_state(), before)
