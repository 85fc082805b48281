"""Runs that begin with a model: which weights they take over, what they refuse, and what they record."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from nsface.cli import main
from nsface.errors import ModelError, RecipeError
from nsface.files import digest
from nsface.heads import ArcFace, Softmax
from nsface.heads.shard import Shard
from nsface.model import read_model, save_model
from nsface.recipe.schema import Recipe, load_recipe
from nsface.training.initial import copy_class_weights
from nsface.training.run import train
from nsface.training.trainer import Trainer
from tests.small_faces import HEIGHT, WIDTH
from tests.tiny_model import tiny_description, write_tiny_model

Small = Callable[..., Recipe]
SIZE: dict[str, Any] = {"height": HEIGHT, "width": WIDTH}


@pytest.fixture(scope="module")
def former(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run on three of the four people: all but the second."""
    out = tmp_path_factory.mktemp("former") / "run"
    train(small(epochs=1, schedule={}, exclude=["0000001"], head={"name": "softmax", "bias": True}), out)
    return out


def state_of(run: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(run / "checkpoints" / "latest.pt", weights_only=True)
    return state


def begun(
    recipe: Recipe, out: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Trainer, dict[str, torch.Tensor], list[str]]:
    """Train; the trainer, its head's state before the first step, and the lines it notes."""
    found: list[tuple[Trainer, dict[str, torch.Tensor]]] = []
    run = Trainer.run

    def watching(self: Trainer) -> Any:
        found.append((self, {name: tensor.clone() for name, tensor in self.head.state_dict().items()}))
        return run(self)

    notes: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "run", watching)
        train(recipe, out, note=notes.append)
    return (*found[0], notes)


def environment(out: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((out / "environment.json").read_text())
    return read


def test_network_and_class_weights_are_taken_over(
    small: Small, tmp_path: Path, former: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People 0, 2 and 3 were trained on; 1 and 2 and 3 are trained on now."""
    model = former / "model.safetensors"
    settings = {"epochs": 1, "schedule": {}, "exclude": ["0000000"], "freeze": "all"}
    head = {"name": "softmax", "bias": True}
    recipe = small(init=str(model), head=head, **settings)
    trainer, first, notes = begun(recipe, tmp_path / "run", monkeypatch)
    before, after = load_file(model), trainer.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)

    old = state_of(former)["head"]
    for key in ("weight", "bias"):
        assert torch.equal(first[key][1], old[key][1]), "person 2"
        assert torch.equal(first[key][2], old[key][2]), "person 3"
    assert 0 < first["weight"][0].norm() < 0.02, "fresh"
    assert first["bias"][0] == 0
    checkpoint = former / "checkpoints" / "latest.pt"
    assert notes[0] == (
        f"the network begins with {model}; class weights of the same identities in {checkpoint}: 2 of 3; "
        "new ones: 1"
    )
    assert environment(tmp_path / "run")["init"] == {
        "model": str(model),
        "digest": digest(model),
        "class_weights_copied": 2,
        "class_weights_new": 1,
        "class_weights_from": str(checkpoint),
    }


def test_class_weights_go_into_another_head(
    small: Small, tmp_path: Path, former: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small(
        init=str(former / "model.safetensors"), epochs=1, schedule={}, head={"name": "arcface", "scale": 8.0}
    )
    _, first, _ = begun(recipe, tmp_path / "run", monkeypatch)
    assert torch.equal(first["weight"][[0, 2, 3]], state_of(former)["head"]["weight"])


def without_names(run: Path) -> None:
    path = run / "checkpoints" / "latest.pt"
    state = state_of(run)
    del state["identities"]
    torch.save(state, path)


def of_another_step(run: Path) -> None:
    network, description = read_model(run / "model.safetensors")
    with torch.no_grad():
        network.get_parameter("fc.weight")[0, 0] += 1
    save_model(run / "model.safetensors", network, description)


def of_other_people(run: Path) -> None:
    state = state_of(run)
    torch.save(state | {"identities": ["a", "b", "c"]}, run / "checkpoints" / "latest.pt")


def names_of_more_rows(run: Path) -> None:
    state = state_of(run)
    torch.save(state | {"identities": [*state["identities"], "d"]}, run / "checkpoints" / "latest.pt")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda run: shutil.rmtree(run / "checkpoints"), r"no .*latest\.pt lies beside the model"),
        (without_names, r"latest\.pt does not name its identities"),
        (of_another_step, r"latest\.pt is the state of another step than the model"),
        (of_other_people, r"latest\.pt has none of these identities"),
        (names_of_more_rows, r"a damaged checkpoint: weight of shape \(3, 16\)"),
        (lambda run: (run / "checkpoints" / "latest.pt").write_bytes(b"x"), "not a checkpoint of nsface"),
    ],
)
def test_why_all_class_weights_are_new_is_said(
    small: Small,
    tmp_path: Path,
    former: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], object],
    reason: str,
) -> None:
    shutil.copytree(former, tmp_path / "former")
    change(tmp_path / "former")
    model = tmp_path / "former" / "model.safetensors"
    recipe = small(init=str(model), iterations=1, epochs=None, schedule={})
    _, first, notes = begun(recipe, tmp_path / "run", monkeypatch)
    assert re.search(f"; all 4 class weights are new: .*{reason}", notes[0]), notes[0]
    counts = environment(tmp_path / "run")["init"]
    assert (counts["class_weights_copied"], counts["class_weights_new"]) == (0, 4)
    assert "class_weights_from" not in counts
    assert first["weight"].norm(dim=1).max() < 0.02


def test_a_model_of_unknown_head_and_identities(small: Small, tmp_path: Path) -> None:
    """As a network that another program trained is described."""
    description = tiny_description(**SIZE, colour="BGR", mean=(100.0, 110.0, 120.0)).model_copy(
        update={"head": "none", "identities": 0, "recipe_digest": ""}
    )
    network = description.build()
    save_model(tmp_path / "foreign.safetensors", network, description)
    content = small(iterations=1, epochs=None, schedule={}).model_dump()
    del content["network"], content["input"], content["batch_size"]
    recipe = Recipe.model_validate(
        content | {"init": str(tmp_path / "foreign.safetensors"), "freeze": "all", "batch_size": 12}
    )
    assert recipe.input == description.input
    assert recipe.network.model_dump() == {"name": "light-resnet", "embedding_size": 16, "channels": 8}
    again = Recipe.model_validate(yaml.safe_load(recipe.to_yaml()))
    assert again == recipe
    trained = read_model(train(again, tmp_path / "run"))
    assert trained[1].input == description.input
    weights = trained[0].state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in network.state_dict().items())


def network_of(**changes: Any) -> dict[str, Any]:
    return {"network": {"name": "light-resnet", "embedding_size": 16, "channels": 8} | changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (network_of(embedding_size=8), "init: network.embedding_size is 8 in the recipe and 16 in "),
        (network_of(channels=16), "init: network.channels is 16 in the recipe and 8 in "),
        (network_of(dropout=0.5), r"init: network\.dropout is 0\.5 in the recipe and 0\.0 in "),
        (
            {"network": {"name": "sphereface-4"}},
            "init: network.name is sphereface-4 in the recipe and ",
        ),
        ({"input": {"height": 96}}, "init: input.height is 96 .*; give the model's, or leave `input` out"),
        ({"input": SIZE | {"colour": "BGR"}}, "init: input.colour is BGR in the recipe and RGB in "),
        ({"input": SIZE | {"mean": 0.0}}, "init: input.mean is 0.0 in the recipe and 127.5 in "),
        ({"input": SIZE | {"std": 127.5}}, "init: input.std is 127.5 in the recipe and 128.0 in "),
        (
            {"input": SIZE | {"template": "arcface"}},
            "init: input.template is arcface in the recipe and sphereface",
        ),
    ],
)
def test_what_disagrees_with_the_model_is_named(
    small: Small, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    model = write_tiny_model(tmp_path / "model.safetensors", **SIZE)
    with pytest.raises(RecipeError, match=message):
        train(small(**{"init": str(model)} | changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_defaults_written_out_agree(small: Small, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model.safetensors", **SIZE)
    chosen = small(init=str(model), **network_of(dropout=0.0, extra_units=0))
    with pytest.raises(RecipeError, match="no training images"):  # past the comparison
        train(chosen.model_copy(update={"data": None}), tmp_path / "run")


def test_another_file_is_refused_and_a_missing_one_is_not_needed_to_resume(
    small: Small,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    former: Path,
) -> None:
    """By the command line, with a recipe that leaves network and input to the model."""
    model, other = (tmp_path / name for name in ("model.safetensors", "other.safetensors"))
    shutil.copy(former / "model.safetensors", model)
    content = small().model_dump(exclude={"network", "input", "init"})
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(yaml.safe_dump(content | {"freeze": {"parts": "all", "epochs": 1}}))

    def run(out: str, *options: str) -> tuple[int | str | None, str]:
        with pytest.raises(SystemExit) as end:
            main(["train", str(recipe), "--init", str(model), "--out", str(tmp_path / out), *options])
        return end.value.code, capsys.readouterr().err

    assert run("whole")[0] == 0
    step = Trainer._train_step

    def die(self: Trainer, *arguments: Any, **options: Any) -> Any:
        if self.step == 7:
            raise SystemError("killed")
        return step(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_train_step", die)
        assert run("parts")[0] == 1
    recorded = environment(tmp_path / "parts")["init"]
    write_tiny_model(other, seed=1, **SIZE)
    model.rename(tmp_path / "kept.safetensors")
    shutil.copy(other, model)
    status, message = run("parts", "--resume")
    assert status == 2
    assert "differs from the recipe given in init; " in message
    model.unlink()
    assert run("parts", "--resume")[0] == 0
    one, two = (load_file(tmp_path / out / "model.safetensors") for out in ("whole", "parts"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert environment(tmp_path / "parts")["init"] == recorded


def test_a_moved_model_is_the_same_model(small: Small, tmp_path: Path) -> None:
    one = small(init=str(write_tiny_model(tmp_path / "a.safetensors", **SIZE)))
    two = small(init=str(shutil.copy(tmp_path / "a.safetensors", tmp_path / "b.safetensors")))
    other = small(init=str(write_tiny_model(tmp_path / "c.safetensors", seed=1, **SIZE)))
    assert one.digest() == two.digest() != other.digest()
    assert one.digest() != small().digest()


def test_a_saved_recipe_begins_again_with_the_same_file_only(small: Small, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model.safetensors", **SIZE)
    saved = tmp_path / "saved.yaml"
    saved.write_text(small(init=str(model)).to_yaml())
    write_tiny_model(model, seed=1, **SIZE)
    with pytest.raises(RecipeError, match="is not the file whose digest the recipe gives"):
        train(load_recipe(saved), tmp_path / "run")
    model.unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors: cannot be read"):
        train(load_recipe(saved), tmp_path / "run")


@given(
    st.lists(st.text(max_size=3), min_size=4, max_size=9, unique=True),
    st.lists(st.text(max_size=3), min_size=2, max_size=9, unique=True),
    st.integers(1, 4),
)
def test_rows_are_copied_by_name_whole_and_divided(now: list[str], then: list[str], ranks: int) -> None:
    rows = {"weight": torch.randn(len(then), 3), "bias": torch.randn(len(then))}
    fresh = torch.randn(len(now), 3)
    expected = [rows["weight"][then.index(n)] if n in then else fresh[i] for i, n in enumerate(now)]
    biases = [rows["bias"][then.index(n)] if n in then else torch.tensor(0.0) for n in now]
    parts = []
    for rank in range(ranks):
        head = Softmax(3, len(now), bias=True)
        with torch.no_grad():
            head.weight.copy_(fresh)
        if ranks > 1:
            head.divide(Shard(len(now), rank, ranks))
        assert copy_class_weights(head, now, rows, then) == len(set(now) & set(then))
        parts.append(head)
    assert torch.equal(torch.cat([head.weight for head in parts]), torch.stack(expected))
    assert torch.equal(torch.cat([torch.as_tensor(head.bias) for head in parts]), torch.stack(biases))


def test_rows_of_another_length_are_refused() -> None:
    rows = {"weight": torch.zeros(2, 5)}
    with pytest.raises(ModelError, match=r"weight of shape \(2, 5\)"):
        copy_class_weights(ArcFace(4, 2), ["a", "b"], rows, ["a", "b"])
