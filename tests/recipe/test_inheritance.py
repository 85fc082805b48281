"""`base`: what a recipe takes from another, and where faults are said to stand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nsface.errors import RecipeError
from nsface.recipe.inheritance import read_written
from nsface.recipe.schema import load_recipe

BASE = """\
network: {name: light-resnet, embedding_size: 32, channels: 8}
head: {name: arcface, scale: 30, margin: 0.3}
auxiliary: [{name: center, weight: 0.1}, {name: triplet, weight: 0.2}]
sampler: {identities: 8, images: 4}
optimizer: {learning_rate: 0.2, nesterov: true, clip_norm: 5}
schedule: {kind: step, milestones: [6, 8], warmup: 1}
epochs: 10
exclude: [a, b]
validate: {bin: a.bin, every: 2}
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write(tmp_path / "base.yaml", BASE)


@pytest.mark.parametrize(
    ("own", "replaced"),
    [
        ("", {}),
        ("seed: 3\n", {"head:": "seed: 3\nhead:"}),
        ("optimizer: {learning_rate: 0.5}\n", {"learning_rate: 0.2": "learning_rate: 0.5"}),
        ("optimizer: {}\n", {}),
        ("optimizer: {clip_norm: null}\n", {", clip_norm: 5": ""}),
        ("optimizer: null\n", {"optimizer: {learning_rate: 0.2, nesterov: true, clip_norm: 5}\n": ""}),
        ("head: {margin: 0.4}\n", {"margin: 0.3": "margin: 0.4"}),
        ("head: {name: arcface}\n", {}),
        ("head: {name: cosface}\n", {"arcface, scale: 30, margin: 0.3": "cosface"}),
        ("head: {margin: 0.2, name: cosface}\n", {"arcface, scale: 30, margin: 0.3": "cosface, margin: 0.2"}),
        ("network: {name: sphereface-4}\n", {"light-resnet": "sphereface-4", ", channels: 8": ""}),
        ("exclude: [c]\n", {"[a, b]": "[c]"}),
        ("exclude: null\n", {"exclude: [a, b]\n": ""}),
        ("auxiliary: [{name: center}]\n", {", weight: 0.1}, {name: triplet, weight: 0.2}": "}"}),
        ("sampler: {images: 2}\n", {"images: 4": "images: 2"}),
        ("schedule: {kind: cosine}\n", {"step, milestones: [6, 8]": "cosine"}),
        ("schedule: {factor: 0.5}\n", {"warmup: 1": "warmup: 1, factor: 0.5"}),
        ("epochs: 20\n", {"epochs: 10": "epochs: 20"}),
        ("epochs: 5\n", {"epochs: 10": "epochs: 5", "[6, 8], warmup: 1": "[3, 4], warmup: 0.5"}),
        ("iterations: 100\n", {"epochs: 10": "iterations: 100", "[6, 8], warmup: 1": "[60, 80], warmup: 10"}),
        (
            "epochs: 5\nschedule: {milestones: [1, 2]}\n",
            {"epochs: 10": "epochs: 5", "[6, 8]": "[1, 2]"},
        ),
        ("schedule: {kind: poly, warmup: 2}\n", {"step, milestones: [6, 8], warmup: 1": "poly, warmup: 2"}),
        ("validate: {held_out: 6}\n", {"{bin: a.bin, every: 2}": "{held_out: 6}"}),
        ("guard: {skip: 3}\n", {"exclude:": "guard: {skip: 3}\nexclude:"}),
        ("base: null\n" + BASE, {}),
    ],
)
def test_it_is_the_recipe_with_the_values_written_into_it(
    base: Path, own: str, replaced: dict[str, str]
) -> None:
    text = BASE
    for old, new in replaced.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    expected = load_recipe(write(base.with_name("flat.yaml"), text))
    line = "" if own.startswith("base") else "base: base.yaml\n"
    recipe = load_recipe(write(base.with_name("own.yaml"), line + own))
    assert recipe == expected
    assert recipe.digest() == expected.digest()
    assert "base" not in recipe.model_dump()


def test_the_command_line_comes_last(base: Path) -> None:
    own = write(base.with_name("own.yaml"), "base: base.yaml\nhead: {scale: 20}\n")
    assert load_recipe(own, {"head.margin": 0.1}).head.arguments == {"scale": 20, "margin": 0.1}
    assert load_recipe(own, {"head.name": "cosface"}).head.arguments == {}
    cosine = load_recipe(own, {"schedule.warmup": 2, "schedule.kind": "cosine"}).schedule
    assert (cosine.kind, cosine.milestones, cosine.warmup) == ("cosine", [], 2)
    with pytest.raises(RecipeError, match=r"^given on the command line: base: a file names its base"):
        load_recipe(own, {"base": "demo"})


@pytest.mark.parametrize("first", ["all", "[stem]", "{parts: stem, iterations: 3}"])
@pytest.mark.parametrize(
    ("own", "merged"),
    [
        ("{parts: all, epochs: 1}", {"parts": "all", "epochs": 1}),
        ("{parts: all, epochs: 1, iterations: 2}", {"parts": "all", "epochs": 1, "iterations": 2}),
        ("[stages.0]", ["stages.0"]),
    ],
)
def test_parts_that_are_frozen_take_the_place_of_those_of_the_base_however_written(
    base: Path, first: str, own: str, merged: Any
) -> None:
    write(base, f"freeze: {first}\n")
    assert read_written(write(base.with_name("own.yaml"), f"base: base.yaml\nfreeze: {own}")).content == {
        "freeze": merged
    }


def test_a_batch_size_of_the_base_yields_to_a_sampler(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", BASE.replace("sampler: {identities: 8, images: 4}", "batch_size: 96"))
    own = write(tmp_path / "own.yaml", "base: base.yaml\nsampler: {identities: 6, images: 2}\n")
    assert load_recipe(own).batch_size == 12


def test_a_path_is_from_the_file_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "base.yaml", BASE)
    write(tmp_path / "mine" / "base.yaml", "base: ../base.yaml\nseed: 7\n")
    write(tmp_path / "mine" / "own.yaml", "base: base.yaml\nepochs: 12\n")
    write(tmp_path / "far.yaml", f"base: {tmp_path / 'mine' / 'own.yaml'}\nhead: {{scale: 8}}\n")
    for folder, path in ((tmp_path, "far.yaml"), (tmp_path / "mine", "../far.yaml")):
        monkeypatch.chdir(folder)
        recipe = load_recipe(path)
        assert (recipe.seed, recipe.epochs, recipe.head.arguments["scale"]) == (7, 12, 8)


def test_a_name_is_a_shipped_recipe(tmp_path: Path) -> None:
    own = write(tmp_path / "demo.yaml", "base: demo\nseed: 5\n")
    assert load_recipe(own) == load_recipe("demo", {"seed": 5})


def test_what_was_scaled_is_said_once_for_each_file(base: Path) -> None:
    write(base.with_name("own.yaml"), "base: base.yaml\nepochs: 5\n")
    said: list[str] = []
    longer = load_recipe(base.with_name("own.yaml"), {"epochs": 4}, said.append)
    assert longer.schedule.milestones == [3 * 4 / 5, 4 * 4 / 5]
    assert len(said) == 2
    assert said[0].startswith(f"note: {base.with_name('own.yaml')}: schedule.warmup is 0.5 in place of 1, ")
    assert said[0].endswith("scaled with the length of the run, 5 epochs in place of 10 epochs")
    assert said[1].endswith("4 epochs in place of 5 epochs")


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ("optimizer: {learning_rate: -1}", r"^own\.yaml:2: optimizer\.learning_rate: .*greater than 0"),
        ("head: {name: softmax, margin: 1}", r"^own\.yaml:2: head: margin: softmax has no such argument"),
        ("head: {margin: 7}", r"^own\.yaml:2: head: margin must be in"),
        ("auxiliary: [{weight: 1}]", r"^own\.yaml:2: auxiliary\.0\.name: missing"),
        ("head: null", r"^own\.yaml:2: head: missing, and needed"),
        ("optimzer: null", r"^own\.yaml:2: optimzer: no such key \(did you mean 'optimizer'"),
        ("bas: x", r"^own\.yaml:2: bas: no such key \(did you mean 'base'\?\); there are: base, data"),
        ("seed: 1\nseed: 2", r"^own\.yaml:3: seed: stands here and on line 2"),
        ("schedule: {milestones: []}", r"^own\.yaml:2: schedule\.milestones belong to the step schedule"),
        ("schedule: {warmup: 10}", r"^own\.yaml:2: schedule\.warmup must be shorter than the run"),
        ("sampler: null", r"^own\.yaml:2: auxiliary: triplet needs several images"),
        ("optimizer: {momentum: 0}", r"^own\.yaml:2: optimizer\.nesterov needs optimizer\.momentum"),
        ("seed: 1\naccumulate: 3", r"^own\.yaml:3: batch_size: 32 images a step cannot be divided"),
        ("input: {height: 8}", r"^base\.yaml:1: network: images of 8×"),
        ("freeze: all", r"^own\.yaml:2: freeze: without init"),
        (
            "exclude: {c: 1}",
            r"^own\.yaml:2: exclude: keys cannot be added to what the base has, \['a', 'b'\]",
        ),
        ("epochs: 20\niterations: 100", r"^own\.yaml: give either epochs or iterations"),
        ("iterations: 100\nepochs: 20", r"^own\.yaml: give either epochs or iterations"),
        ("epochs: [", r"^own\.yaml: line 3: not valid YAML"),
        ("<<: {seed: -1}", r"^own\.yaml:2: seed: "),
    ],
)
def test_a_fault_is_where_the_wrong_key_stands(
    base: Path, monkeypatch: pytest.MonkeyPatch, own: str, message: str
) -> None:
    monkeypatch.chdir(base.parent)
    write(Path("own.yaml"), f"base: base.yaml\n{own}\n")
    with pytest.raises(RecipeError, match=message):
        load_recipe("own.yaml")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"own": "base: own.yaml"}, r"^own\.yaml:1: base: .*\(own\.yaml → own\.yaml\); remove one base$"),
        (
            {"own": "base: b.yaml", "b": "seed: 1\nbase: c.yaml", "c": "base: ./b.yaml"},
            r"^c\.yaml:1: base: recipes based on each other \(b\.yaml → c\.yaml → \./b\.yaml\)",
        ),
        ({"own": "base: none.yaml"}, r"^own\.yaml:1: base: none\.yaml: no such file or directory"),
        (
            {"own": "base: lfw-smal"},
            r"^own\.yaml:1: base: no .* 'lfw-smal' \(did you mean 'lfw-small'",
        ),
        (
            {"own": "seed: 1\nbase: [demo]"},
            r"^own\.yaml:2: base: give the name .*, not \['demo'\]",
        ),
        ({"own": "base: 3"}, r"^own\.yaml:1: base: give the name of a recipe"),
        ({"own": "base: {x: 1}"}, r"^own\.yaml:1: base: give the name of a recipe"),
        ({"own": "base: ''"}, r"^own\.yaml:1: base: no recipe or file is called ''"),
        ({"own": 'base: "a\\0b"'}, r"^own\.yaml:1: base: a.*b: no path of a file"),
        ({"own": "<<: {base: 3}"}, r"^own\.yaml:1: base: give the name of a recipe"),
        ({"own": "base: b.yaml\ntrue: {x: 1}", "b": "true: 3"}, r"^own\.yaml: True: keys cannot be added"),
        ({"own": "base: b.yaml", "b": "- a"}, r"^own\.yaml:1: base: b\.yaml: not a recipe"),
        ({"own": "base: b.yaml", "b": "x: ["}, r"^own\.yaml:1: base: b\.yaml: line 1: not valid YAML"),
    ],
)
def test_bases_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        write(Path(f"{name}.yaml"), text)
    with pytest.raises(RecipeError, match=message) as error:
        load_recipe("own.yaml")
    assert "\n" not in str(error.value)


def test_a_long_row_and_a_circle_of_links_end(tmp_path: Path) -> None:
    write(tmp_path / "0.yaml", BASE)
    for number in range(1, 12):
        write(tmp_path / f"{number}.yaml", f"base: {number - 1}.yaml\n")
    assert load_recipe(tmp_path / "9.yaml").epochs == 10
    with pytest.raises(RecipeError, match=r"1\.yaml:1: base: more than 10 recipes in a row"):
        load_recipe(tmp_path / "10.yaml")
    write(tmp_path / "a.yaml", "base: b.yaml\n")
    os.symlink("a.yaml", tmp_path / "b.yaml")
    with pytest.raises(RecipeError, match="based on each other"):
        load_recipe(tmp_path / "a.yaml")
