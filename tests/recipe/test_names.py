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

BIG = {
    f"{data}-iresnet{depth}": head
    for data, head in (("ms1mv2", "arcface"), ("webface4m", "cosface"))
    for depth in (50, 100)
}
FOLDER = Path(__file__).resolve().parents[2] / "recipes"


@pytest.mark.parametrize("name", shipped())
def test_a_name_is_known_anywhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_recipe(name) == load_recipe(FOLDER / f"{name}.yaml")


def test_each_network_gives_the_embeddings_that_its_head_takes() -> None:
    recipes = {str(r.network): r for r in map(load_recipe, shipped())}
    for recipe in recipes.values():
        with torch.device("meta"):
            network, head = recipe.network.build(recipe.input), build_head(recipe, 10)
            images = torch.zeros(2, 3, recipe.input.height, recipe.input.width)
            assert head.weight.shape[1] == network.eval()(images).shape[1] == recipe.network.embedding_size


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
        assert 30 < len(summary(text)) <= 50  # 80 with the longest name before it


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
        ("zzz", "no recipe or file is called 'zzz'; there are: casia-adaface, .*lfw-small, "),
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


SPHEREFACE = ["casia-noisy", "casia-noisy-005"]
IRESNET = [f"casia-iresnet50-{head}" for head in ("softmax", "noisy-005", "cosface", "arcface", "adaface")]


@pytest.mark.parametrize(
    ("one", "others"),
    [
        ("casia-softmax", SPHEREFACE),
        ("casia-iresnet50", IRESNET),
        *((f"{data}-{head}", [f"{data}-noisy"]) for data, head in BIG.items()),
    ],
)
def test_the_arms_of_a_comparison_differ_in_the_head_alone(one: str, others: list[str]) -> None:
    first = load_recipe(one).model_dump()
    for name in others:
        other = load_recipe(name).model_dump()
        assert {key for key in first if first[key] != other[key]} == {"head"}


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("casia-softmax", "8314cf228ccb2bd6e6b4e9f39d63ca28c085772ffae70d81d26996d26b25d4df"),
        ("casia-noisy", "e87f08db4ee2c37873b2f8af7fc0b6762b58c8f3f9294163efe9f513c9058281"),
        ("casia-iresnet50", "df62b28629146b8e800a47d83e03a1c83563ca750fa610da116ce6bbd1422597"),
        ("lfw-small", "dbc341b984fc9ed6e4ab265b586ed835cf21cf2460d589c2ccc58a0693c8c097"),
        ("lfw-quick", "81e970ce8440ec07d90deb50c106a1b83e6d811a098738c89241df88151de028"),
    ],
)
def test_runs_of_recipes_that_got_a_base_can_be_resumed(name: str, digest: str) -> None:
    """The digests of the recipes as nsface 0.4.0 has them, where each is written out."""
    assert load_recipe(name).digest() == digest


@pytest.mark.parametrize("name", shipped())
def test_a_base_is_a_name(name: str) -> None:
    base = yaml.safe_load(shipped()[name]).get("base")
    assert base is None or base in shipped()


def test_a_file_whose_ending_was_left_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("base: demo\n")
    with pytest.raises(RecipeError, match=r"^mine: no such file or directory; did you mean mine\.yaml\?$"):
        load_recipe("mine")
