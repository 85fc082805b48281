"""Recipes: what is wrong is named with its line; what is right comes back as it was."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nsface.errors import RecipeError
from nsface.recipe.merging import override
from nsface.recipe.schema import load_recipe
from nsface.recipe.text import parse_value

GOOD = """\
network: {name: sphereface-20}
head:
  name: noisy-softmax
  alpha2: 0.1
schedule:
  kind: step
  milestones: [8, 12]
optimizer:
  learning_rate: 1e-1
epochs: 15
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_good(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, GOOD))
    assert recipe.optimizer.learning_rate == 0.1
    assert recipe.head.arguments == {"alpha2": 0.1}
    assert recipe.network.embedding_size == 512
    assert (recipe.input.height, recipe.input.width) == (112, 96)


def test_written_and_read_back_is_the_same(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, GOOD))
    again = load_recipe(write(tmp_path, recipe.to_yaml()))
    assert again == recipe
    assert again.digest() == recipe.digest()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs: 15", "epochs: fifteen", r"recipe\.yaml:10: epochs: .*integer \(got 'fifteen'\)"),
        ("epochs: 15", "epochs: 0", r"recipe\.yaml:10: epochs: .*greater than or equal to 1 \(got 0\)"),
        ("epochs: 15", "epochs: true", r"recipe\.yaml:10: epochs: .*integer"),
        ("epochs: 15", "epochs: 1.5", r"recipe\.yaml:10: epochs: .*integer"),
        (
            "epochs: 15",
            "epochs: 15\nepoch: 3",
            r"recipe\.yaml:11: epoch: no such key \(did you mean 'epochs'\?",
        ),
        ("epochs: 15", "epochs: 15\nepochs: 16", r"recipe\.yaml:11: epochs: stands here and on line 10"),
        ("epochs: 15", "seed: 1", r"recipe\.yaml: give either epochs or iterations"),
        ("epochs: 15", "epochs: 15\niterations: 9", r"give either epochs or iterations"),
        (
            "epochs: 15",
            "epochs: 12",
            r"recipe\.yaml:7: schedule\.milestones must rise and lie between 0 and 12",
        ),
        ("milestones: [8, 12]", "milestones: [12, 8]", r"milestones must rise"),
        ("  milestones: [8, 12]\n", "", r"milestones belong to the step schedule"),
        ("kind: step", "kind: cosine", r"milestones belong to the step schedule"),
        ("kind: step", "kind: stairs", r"recipe\.yaml:6: schedule\.kind: .*'step', 'poly' or 'cosine'"),
        ("kind: step", "kind: step\n  warmup: 15", r"warmup must be shorter"),
        (
            "learning_rate: 1e-1",
            "lerning_rate: 1",
            r"recipe\.yaml:9: optimizer\.lerning_rate: no such key \(did you",
        ),
        (
            "learning_rate: 1e-1",
            "learning_rate: -1",
            r"recipe\.yaml:9: optimizer\.learning_rate: .*greater than 0",
        ),
        ("learning_rate: 1e-1", "nesterov: true\n  momentum: 0", r"nesterov needs optimizer\.momentum"),
        ("network: {name: sphereface-20}\n", "", r"network: missing, and needed"),
        (
            "sphereface-20",
            "spherenet-20",
            r"yaml:1: network\.name: no network is called 'spherenet-20' \(did you mean 'sphereface-20'\?",
        ),
        (
            "{name: sphereface-20}",
            "{name: iresnet-18, dropout: much}",
            r"recipe\.yaml:\d+: network: dropout: .*\(got 'much'\)",
        ),
        (
            "{name: sphereface-20}",
            "{name: sphereface-4, depth: 9}",
            r"network: depth: sphereface-4 has no such argument",
        ),
        ("{name: sphereface-20}", "{name: sphereface-4, width: 9}", r"network: width: .*; give input\.width"),
        ("{name: sphereface-20}", "{name: vgg-face, height: x}", r"network: height: .*; give input\.height"),
        (
            "{name: sphereface-20}",
            "\n  name: light-resnet\n  extra: 1\n",
            r"recipe\.yaml:3: network: extra: light-resnet has no such .*did you mean 'extra_units'\?",
        ),
        (
            "{name: sphereface-20}",
            "{name: light-resnet, activation: nah-tan}",
            r"network: activation: no activation is called 'nah-tan' \(did you mean 'na",
        ),
        (
            "{name: sphereface-20}",
            "{name: light-resnet, activation: {name: nah-tanh, c: -1.0}}",
            r"recipe\.yaml:\d+: network: activation: c must be a number ≥ 0, not -1",
        ),
        ("epochs: 15", "epochs: 15\ninput: {height: 8}", r"network: images of 8×.* are too small"),
        (
            "epochs: 15",
            "epochs: 15\nauxiliary: [{name: centre}]",
            r"recipe\.yaml:11: auxiliary\.0: no loss is called 'centre' \(did you mean 'center'\?",
        ),
        (
            "epochs: 15",
            "epochs: 15\nauxiliary:\n- name: center\n- {name: triplet, margins: 1}",
            r"recipe\.yaml:13: auxiliary\.1: margins: triplet has no such .*did you mean 'margin'\?",
        ),
        (
            "epochs: 15",
            "epochs: 15\nauxiliary: [{name: triplet, margin: much}]",
            r"recipe\.yaml:11: auxiliary\.0: margin: .*valid number .*\(got 'much'\)",
        ),
        (
            "epochs: 15",
            "epochs: 15\nauxiliary: [{name: triplet, margin: 5}]",
            r"recipe\.yaml:11: auxiliary\.0: margin must be in \(0, 4\], not 5",
        ),
        (
            "epochs: 15",
            "epochs: 15\nauxiliary: [{name: center, weight: -1}]",
            r"recipe\.yaml:11: auxiliary\.0: weight must be a number > 0, not -1",
        ),
        ("epochs: 15", "epochs: 15\nauxiliary: [{weight: 1}]", r"yaml:11: auxiliary\.0\.name: missing"),
        ("epochs: 15", "epochs: 15\nauxiliary: center", r"yaml:11: auxiliary: .*valid list \(got 'center'\)"),
        (
            "epochs: 15",
            "epochs: 15\nauxiliary: [{name: center}, {name: center}]",
            r"auxiliary: each loss may stand once, not center, center",
        ),
        (
            "epochs: 15",
            "epochs: 15\nauxiliary: [{name: triplet}]",
            r"recipe\.yaml:11: auxiliary: triplet needs several images of an identity .* K of at least 2",
        ),
        (
            "epochs: 15",
            "epochs: 15\nauxiliary: [{name: contrastive}]\nsampler: {identities: 8, images: 1}",
            r"auxiliary: contrastive needs several images of an identity",
        ),
        (
            "epochs: 15",
            "epochs: 15\nsampler: {identities: 1, images: 4}",
            r"recipe\.yaml:11: sampler\.identities: .*greater than or equal to 2",
        ),
        (
            "epochs: 15",
            "epochs: 15\nsampler: {identites: 8, images: 4}",
            r"recipe\.yaml:11: sampler\.identites: no such key \(did you mean 'identities'\?",
        ),
        (
            "epochs: 15",
            "epochs: 15\nsampler: {identities: 8, images: 4}\nbatch_size: 64",
            r"recipe\.yaml:12: batch_size \(64\) must be sampler\.identities × sampler\.images \(32\)",
        ),
        ("epochs: 15", "epochs: [", r"recipe\.yaml: line \d+: not valid YAML"),
    ],
)
def test_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(RecipeError, match=message):
        load_recipe(write(tmp_path, GOOD.replace(old, new)))


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(write(tmp_path, GOOD.replace("epochs: 15", "epochs: x\nseed: -1")))
    assert "recipe.yaml:10: epochs" in str(error.value)
    assert "recipe.yaml:11: seed" in str(error.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "\0\0"])
def test_not_a_recipe(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecipeError, match=r"recipe\.yaml"):
        load_recipe(write(tmp_path, text))


@pytest.mark.parametrize(
    "value",
    ["!!int abc", "!!timestamp 2024-13-01", "&a {b: *a}", "[" * 2000],
    ids=["int", "date", "loop", "deep"],
)
def test_values_that_cannot_be_read(tmp_path: Path, value: str) -> None:
    with pytest.raises(RecipeError, match=r"recipe\.yaml"):
        load_recipe(write(tmp_path, GOOD + f"data: {value}\n"))


@pytest.mark.parametrize("key", ["optimizer.learning_rate", "input.mean", "augmentation.rotation"])
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_must_be_finite(tmp_path: Path, key: str, value: float) -> None:
    with pytest.raises(RecipeError, match=rf"given on the command line: {key}: "):
        load_recipe(write(tmp_path, GOOD), {key: value})


@pytest.mark.parametrize(
    "text", ["0012e4", "1e3", "1_000.0", "2024-02-30", "no", "null", "0x1f", "1.", "é: #"]
)
def test_text_that_looks_like_something_else_survives(tmp_path: Path, text: str) -> None:
    recipe = load_recipe(write(tmp_path, GOOD), {"cache": text, "exclude": [text]})
    written = recipe.to_yaml()
    assert load_recipe(write(tmp_path, written)) == recipe
    assert yaml.safe_load(written)["cache"] == text, "other programs read the same"


def test_missing_and_binary(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such file"):
        load_recipe(tmp_path / "nothing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not a text file"):
        load_recipe(tmp_path / "binary.yaml")


def test_overrides(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert load_recipe(path, {"head.alpha2": 0.5}).head.arguments == {"alpha2": 0.5}
    assert load_recipe(path, {"head.name": "noisy-softmax"}).head.arguments == {"alpha2": 0.1}
    assert load_recipe(path, {"head.name": "softmax"}).head.arguments == {}, "arguments belong to the name"
    over = {"head.margin": 0.1, "head.name": "cosface"}
    assert load_recipe(path, over).head.arguments == {"margin": 0.1}, "in any order"
    assert load_recipe(path, {"augmentation.shift": 3}).augmentation.shift == 3
    iterations = load_recipe(path, {"iterations": 28000, "schedule.milestones": [16000, 24000]})
    assert (iterations.iterations, iterations.epochs) == (28000, None)
    with pytest.raises(RecipeError, match=r"given on the command line: seed: .*\(got -1\)"):
        load_recipe(path, {"seed": -1})
    with pytest.raises(RecipeError, match=r"^given on the command line: validate\.0: no such key; there are"):
        load_recipe(path, {"validate.0.held_out": 5})
    with pytest.raises(RecipeError, match=r"^given on the command line: bas: no such key.*there are: data, "):
        load_recipe(path, {"bas.x": 5})
    with pytest.raises(RecipeError, match="epochs holds a value"):
        load_recipe(path, {"epochs.x": 1})


def test_a_sampler_gives_the_batch_size(tmp_path: Path) -> None:
    text = GOOD + "auxiliary: [{name: center}, {name: triplet, weight: 0.5}]\n"
    balanced = load_recipe(write(tmp_path, text + "sampler: {identities: 8, images: 4}\n"))
    assert balanced.batch_size == 32
    assert [choice.arguments for choice in balanced.auxiliary] == [{}, {"weight": 0.5}]
    assert load_recipe(write(tmp_path, balanced.to_yaml())) == balanced
    path = write(tmp_path, GOOD + "batch_size: 96\n")
    over = {"sampler.identities": 6, "sampler.images": 2}
    assert load_recipe(path, over).batch_size == 12, "it takes the place of the file's"
    with pytest.raises(RecipeError, match=r"^given on the command line: batch_size \(48\) must be"):
        load_recipe(path, {**over, "batch_size": 48})
    assert load_recipe(path, {"sampler": None}).batch_size == 96
    with pytest.raises(RecipeError, match=r"given on the command line: auxiliary\.0: no loss is called 'x'"):
        load_recipe(path, {"auxiliary": [{"name": "x"}]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("validate: {imags: a}", r":11: validate\.imags: no such key \(did you mean 'images'\?\); there are"),
        ("validate: {images: a}", ":11: .*give either images and pairs, or bin, or held_out"),
        ("validate: {bin: a, held_out: 9}", ":11: .*give either images and pairs, or bin, or held_out"),
        ("validate: {bin: []}", r":11: validate\.bin: input should be a valid string"),
        ("validate: {bin: ''}", r":11: validate\.bin: string should have at least 1 character"),
        ("validate: {images: '', pairs: a}", r":11: validate\.images: string should have at least 1 char"),
        ("validate: [{held_out: 9}, {held_out: 8}]", ":11: validate: held_out may stand once"),
        ("validate:\n  held_out: 9\n  every: 0", r":13: validate\.every: input should be greater than 0"),
        ("validate:\n- held_out: 9\n- bin: 3", r":13: validate\.1\.bin: input should be a valid string"),
        ("validate: 5", ":11: validate: input should be a valid list"),
    ],
)
def test_wrong_validations_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(write(tmp_path, GOOD + text))


def test_validations_are_written_with_the_least(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "validate: {bin: [lfw.bin, agedb.bin], every: 0.5}\n")
    found = load_recipe(path)
    assert [(one.bin, one.every) for one in found.validate] == [("lfw.bin", 0.5), ("agedb.bin", 0.5)]
    assert load_recipe(write(tmp_path, found.to_yaml())) == found
    path = write(tmp_path, GOOD)
    plain = load_recipe(path)
    assert found.digest() == plain.digest(), "looking at a network does not change it"
    held = load_recipe(path, {"validate.held_out": 20, "validate.every": 2})
    assert (held.validate[0].held_out, held.validate[0].every, held.held_out) == (20, 2, 20)
    assert held.digest() != plain.digest()
    assert held.digest() == load_recipe(path, {"validate.held_out": 20}).digest()
    assert load_recipe(path, {"validate": None}) == plain


def test_digest_follows_what_decides_the_weights(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    digest = load_recipe(path).digest()
    assert load_recipe(path, {"cache": "somewhere", "log_every": 7}).digest() == digest
    assert load_recipe(path, {"streaming": 2}).digest() == digest
    with pytest.raises(RecipeError, match="give either cache or streaming"):
        load_recipe(path, {"streaming": 2, "cache": "somewhere"})
    assert load_recipe(path, {"seed": 1}).digest() != digest


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1.", 1.0),
        (".5", 0.5),
        ("-2.5E+3", -2500.0),
        ("10", 10),
        ("true", True),
        ("null", None),
        ("[8, 12]", [8, 12]),
        ("sphereface-20", "sphereface-20"),
        ("1e", "1e"),
    ],
)
def test_values_are_what_they_look_like(text: str, value: Any) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives(number: float) -> None:
    parsed = parse_value(repr(number))
    assert parsed == number


BOMB = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{i}: &a{i} {{p: *a{i - 1}, q: *a{i - 1}}}\n" for i in range(1, 40)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "aliases stand for more than"),
        (BOMB.replace("a39:", "data:"), "aliases stand for more than"),
        ("a: &a [1, 2]\n" + f"b: [{', '.join(['*a'] * 9000)}]\n", "aliases stand for more than"),
        ("a: &a {<<: *a}\n", "it contains itself"),
        ("a: &a\n- *a\n", "line 1: not valid YAML .it contains itself"),
        ("a: " + "[" * 5000, "nested too deep"),
        ("a: " + "{b: " * 5000, "nested too deep"),
        ("data: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
        ("seed: " + "9" * 5000, "not valid YAML"),
        ("? [a, b]\n: 1\n", "not valid YAML"),
        ("seed: !!bool x\n", "not valid YAML"),
        ("seed: !!int ''\n", "not valid YAML"),
        ("seed: !!timestamp x\n", "not valid YAML"),
    ],
)
def test_work_is_bounded_by_the_size_of_the_text(tmp_path: Path, text: str, message: str) -> None:
    begun = time.process_time()  # not the time on the clock: the machine may be busy with something else
    with pytest.raises(RecipeError, match=message):
        load_recipe(write(tmp_path, text))
    assert time.process_time() - begun < 5
    with pytest.raises(RecipeError, match=message):
        parse_value(text)


def test_few_aliases_are_read(tmp_path: Path) -> None:
    text = GOOD.replace("milestones: [8, 12]", "milestones: &m [8, 12]") + "exclude: &e [a, b]\n"
    assert load_recipe(write(tmp_path, text)).exclude == ["a", "b"]


@pytest.mark.parametrize("text", [r'"\ud800"', r'["\udfff"]', r'{"\ud800": 1}'])
def test_half_a_surrogate_pair_is_no_text(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecipeError, match="half a surrogate pair") as error:
        load_recipe(write(tmp_path, GOOD + f"data: {text}\n"))
    assert str(error.value).isprintable()
    with pytest.raises(RecipeError, match="half a surrogate pair"):
        parse_value(text)


def test_paths_that_are_not_utf8_survive(tmp_path: Path) -> None:
    odd = os.fsdecode(b"/data/\xff\xfe")
    recipe = load_recipe(write(tmp_path, GOOD), {"data": odd, "exclude": [odd]})
    assert load_recipe(write(tmp_path, recipe.to_yaml())) == recipe
    assert len(recipe.digest()) == 64


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input.height", 10**9),
        ("input.width", 5000),
        ("network.embedding_size", 1 << 21),
        ("network", {"name": "light-resnet", "channels": 10**9}),
        ("network", {"name": "light-resnet", "extra_units": 10**7}),
        ("network", {"name": "vgg-face", "embedding_size": 1 << 20}),
        ("network", {"name": "light-resnet", "activation": {"name": "nah-tanh", "c": 10**400}}),
        ("head", {"name": "arcface", "scale": 10**400}),
        ("head", {"name": "l-softmax", "margin": 10**18}),
        ("auxiliary", [{"name": "center", "weight": 10**400}]),
        ("epochs", 10**18),
        ("iterations", 10**18),
        ("batch_size", 10**18),
        ("seed", 1 << 63),
        ("log_every", 10**12),
        ("streaming", 10**6),
        ("sampler", {"identities": 10**9, "images": 2}),
        ("optimizer.learning_rate", 10**400),
        pytest.param("optimizer.learning_rate", 0xF << 30000, id="9000 digits"),
    ],
)
def test_sizes_beyond_all_bounds_are_refused(tmp_path: Path, key: str, value: Any) -> None:
    begun = time.process_time()
    with pytest.raises(RecipeError, match="given on the command line") as error:
        load_recipe(write(tmp_path, GOOD), {key: value})
    assert time.process_time() - begun < 5
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("key", "near", "beside"),
    [
        ("epoch", "epochs", "iterations"),
        ("optimizer.learning_rat", "learning_rate", "momentum"),
        ("schedule.warm", "warmup", "milestones"),
        ("augmentation.rotate", "rotation", "zoom"),
        ("optimiser.momentum", "optimizer", "schedule"),
        ("head.alpha", "alpha2", "variant"),
        ("network.activatio", "activation", "activation"),
        ("zzz", None, "augmentation"),
        ("schedule.zzz", None, "milestones"),
    ],
)
def test_an_unknown_key_lists_those_there_are(
    tmp_path: Path, key: str, near: str | None, beside: str
) -> None:
    with pytest.raises(RecipeError, match=r"given on the command line") as error:
        load_recipe(write(tmp_path, GOOD), {key: 1})
    message = str(error.value)
    assert (f"did you mean '{near}'?" in message) == (near is not None)
    assert re.search(rf"there are: .*\b{beside}\b", message)


def test_two_lengths_of_frozen_parts_are_two() -> None:
    content: dict[str, Any] = {"freeze": {"parts": ["stem"], "epochs": 3}}
    override(content, {"freeze.epochs": 1, "freeze.iterations": 5})
    assert content["freeze"] == {"parts": ["stem"], "epochs": 1, "iterations": 5}
    override(content, {"freeze.iterations": 7})
    assert content["freeze"] == {"parts": ["stem"], "iterations": 7}


SHORT = GOOD.replace("  kind: step\n  milestones: [8, 12]\n", "  kind: cosine\n  warmup: 1\n")


@pytest.mark.parametrize(
    ("text", "given", "warmup", "milestones", "said"),
    [
        (GOOD, {"epochs": 12}, 0, [6.4, 9.6], "schedule.milestones is [6.4, 9.6] in place of [8, 12]"),
        (GOOD, {"epochs": 13}, 0, [8, 12], None),
        (GOOD, {"epochs": 100}, 0, [8, 12], None),
        (GOOD, {"iterations": 150}, 0, [80, 120], "150 iterations in place of 15 epochs"),
        (SHORT, {"epochs": 1}, 1 / 15, [], "schedule.warmup is 0.0666667 in place of 1"),
        (SHORT, {"epochs": 2}, 1, [], None),
        (SHORT, {"epochs": 1, "schedule.warmup": 0.5}, 0.5, [], None),
        (SHORT, {"epochs": 1, "schedule": {"warmup": 0.5}}, 0.5, [], None),
        (SHORT, {"iterations": 30}, 2, [], "schedule.warmup is 2 in place of 1"),
        (GOOD, {"epochs": 2, "schedule.milestones": [1]}, 0, [1], None),
    ],
)
def test_a_schedule_that_a_length_leaves_no_room_is_scaled_and_it_is_said(
    tmp_path: Path, text: str, given: dict[str, Any], warmup: float, milestones: list[float], said: str | None
) -> None:
    notes: list[str] = []
    recipe = load_recipe(write(tmp_path, text), given, notes.append)
    assert recipe.schedule.warmup == pytest.approx(warmup)
    assert recipe.schedule.milestones == pytest.approx(milestones)
    assert len(notes) == (said is not None)
    assert said is None or said in notes[0]


@pytest.mark.parametrize(
    "given", [{"epochs": 1, "schedule.warmup": 2}, {"epochs": 3, "schedule.warmup": 3.0}]
)
def test_a_warmup_of_ones_own_is_not_scaled(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=r"given on the command line: schedule\.warmup must be shorter"):
        load_recipe(write(tmp_path, SHORT), given)


@pytest.mark.parametrize("first", ["epochs", "iterations"])
def test_lengths_in_either_order(tmp_path: Path, first: str) -> None:
    path = write(tmp_path, SHORT)
    second = "iterations" if first == "epochs" else "epochs"
    for lengths in ({first: 30, second: None}, {second: None, first: 30}):
        recipe = load_recipe(path, lengths)
        assert (getattr(recipe, first), getattr(recipe, second)) == (30, None)
    with pytest.raises(RecipeError, match="either epochs or iterations, not both"):
        load_recipe(path, {first: 30, second: 20})


@given(st.data())
@settings(max_examples=100)
def test_a_mangled_recipe_is_a_recipe_error_or_still_a_recipe(data: st.DataObject) -> None:
    """Pieces of YAML put anywhere into a good one."""
    whole = ["0x" + "f" * 5000, '"\\udcff"', "1:30:59", "1e999", ".nan", "<<: *a"]
    pieces = [*whole, "&a ", "*a", "!!omap ", "!!binary ", "!!set ", "!!bool ", *"?[]{}:-~%\n "]
    text = GOOD
    for piece in data.draw(st.lists(st.sampled_from(pieces), min_size=1, max_size=6)):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + piece + text[place:]
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(RecipeError):
        path = write(Path(folder), text)
        recipe = load_recipe(path)
        assert load_recipe(write(Path(folder), recipe.to_yaml())) == recipe
