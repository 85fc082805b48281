"""Every recipe that is shipped can be used, on anybody's data, by its name, from anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from nsface.errors import RecipeError
from nsface.recipe.names import shipped, summary
from nsface.recipe.schema import load_recipe
from nsface.training.build import build_head

FOLDER = Path(__file__).resolve().parents[2] / "recipes"


@pytest.mark.parametrize("name", shipped())
def test_recipe(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(name)
    with torch.device("meta"):
        network, head = recipe.network.build(recipe.input), build_head(recipe, 10)
        images = torch.zeros(2, 3, recipe.input.height, recipe.input.width)
        assert head.weight.shape[1] == network.eval()(images).shape[1] == recipe.network.embedding_size
    assert load_recipe(FOLDER / f"{name}.yaml") == recipe


@pytest.mark.parametrize("name", shipped())
def test_nothing_of_one_data_set_is_in_it(name: str) -> None:
    assert not yaml.safe_load(shipped()[name]).keys() & {"data", "exclude", "cache"}


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("length", [{"epochs": 1}, {"iterations": 3}])
def test_it_can_be_shortened(name: str, length: dict[str, int]) -> None:
    assert load_recipe(name, length).schedule.warmup < next(iter(length.values()))


def test_all_are_there_with_a_line_each() -> None:
    assert list(shipped()) == sorted(path.stem for path in FOLDER.glob("*.yaml"))
    for text in shipped().values():
        assert text.startswith("# ")
        assert 30 < len(summary(text)) <= 63  # 80 with the longest name before it


def test_a_name_is_the_recipe_and_a_path_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    text = shipped()["demo"].replace("epochs: 12", "epochs: 3")
    (tmp_path / "demo.yaml").write_text(text)
    (tmp_path / "mine").write_text(text)
    assert load_recipe("demo").epochs == 12
    assert (
        load_recipe("demo.yaml").epochs
        == load_recipe("./demo.yaml").epochs
        == load_recipe("mine").epochs
        == 3
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("lfw-smal", r"no recipe or file is called 'lfw-smal' \(did you mean 'lfw-small'\?"),
        ("zzz", "no recipe or file is called 'zzz'; there are: casia-iresnet50, .*lfw-small"),
        ("recipes/lfw-small.yaml", "comes with nsface: give lfw-small"),
        ("my.yaml", r"my\.yaml: no such file .*the recipes that come with nsface are casia-"),
        (".", "is a directory"),
        ("a\0b", "no path of a file"),
        ("x" * 300, "file name too long"),
    ],
)
def test_unknown_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=message):
        load_recipe(given)


def test_the_two_arms_of_a_comparison_differ_in_the_head_alone() -> None:
    softmax, noisy = (load_recipe(name).model_dump() for name in ("casia-softmax", "casia-noisy"))
    assert {key for key in softmax if softmax[key] != noisy[key]} == {"head"}
