"""A run in its folder: what is in the way, what is damaged, what cannot be written."""

from __future__ import annotations

import fcntl
import os
import tarfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from nsface.errors import DataError, NsfaceError, RecipeError
from nsface.recipe.schema import Recipe
from nsface.training import run as run_module
from nsface.training.data import make_loader
from nsface.training.resuming import changes
from nsface.training.run import train
from tests.small_faces import HEIGHT, WIDTH, write_small_faces

SETTINGS: dict[str, Any] = {
    "network": {"name": "light-resnet", "embedding_size": 8, "channels": 8},
    "input": {"height": HEIGHT, "width": WIDTH},
    "head": {"name": "softmax"},
    "epochs": 1,
    "batch_size": 8,
    "log_every": 1,
    "device": "cpu",
    "precision": "fp32",
}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_faces(tmp_path_factory.mktemp("data") / "train", identities=4, images=4)


def recipe(faces: Path, **changes: Any) -> Recipe:
    return Recipe.model_validate(SETTINGS | {"data": str(faces)} | changes)


def test_a_folder_that_another_process_trains_in_is_left_alone(faces: Path, tmp_path: Path) -> None:
    held = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(NsfaceError, match="another process is training in this folder"):
        train(recipe(faces), tmp_path)
    assert not (tmp_path / "recipe.yaml").exists()
    os.close(held)
    assert train(recipe(faces), tmp_path).exists()


def test_a_run_that_began_while_images_were_read_is_not_overwritten(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = make_loader

    def slowly(*arguments: Any) -> Any:
        monkeypatch.setattr(run_module, "make_loader", loader)
        train(recipe(faces, seed=1), tmp_path)
        return loader(*arguments)

    monkeypatch.setattr(run_module, "make_loader", slowly)
    with pytest.raises(NsfaceError, match="holds a run already"):
        train(recipe(faces, seed=2), tmp_path)
    assert "seed: 1" in (tmp_path / "recipe.yaml").read_text()
    assert (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "log.jsonl",
        "checkpoints/latest.pt",
        "checkpoints/previous.pt",
        "checkpoints/good.pt",
    ],
)
def test_a_folder_with_files_of_a_run_but_no_recipe_is_left_alone(
    faces: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(NsfaceError, match=f"holds {name} and is no run folder"):
        train(recipe(faces), tmp_path)
    assert (tmp_path / name).read_text() == "mine"
    assert not (tmp_path / "recipe.yaml").exists()


def test_an_image_beside_the_folders_of_identities_is_no_identity(faces: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(faces, "set")
        archive.add(next(faces.rglob("*.jpg")), "set/sheet.jpg")
    with pytest.raises(DataError, match=r"set/sheet\.jpg lies beside folders of identities, in set"):
        train(recipe(tmp_path / "x.tar"), tmp_path / "run")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"step": 1}\n{"st\n', r"log\.jsonl:2: not the JSON .*; remove the line"),
        (b"{}\n", r"log\.jsonl:1: .*; remove the line"),
        (b"[1]\n", r"log\.jsonl:1: .*; remove the line"),
        (b'{"step": 1.5}\n', r"log\.jsonl:1: .*; remove the line"),
        (b'{"step": 1, "caf\xe9": 2}\n', r"log\.jsonl:1: .*; remove the line"),
        (b'{"step": ' + b"9" * 5000 + b"}\n", r"log\.jsonl:1: .*; remove the line"),
        (b"[" * 100_000 + b"\n", r"log\.jsonl:1: .*; remove the line"),
        (b"\0" * 100 + b"\n", r"log\.jsonl:1: .*; remove the line"),
    ],
)
def test_a_damaged_log_is_named(faces: Path, tmp_path: Path, content: bytes, message: str) -> None:
    train(recipe(faces), tmp_path).unlink()
    (tmp_path / "log.jsonl").write_bytes(content)
    with pytest.raises(NsfaceError, match=message):
        train(recipe(faces), tmp_path, resume=True)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"data": 1}', b"[" * 100_000, b'{"data": "\xff"}'])
def test_a_damaged_record_of_the_data_is_named(faces: Path, tmp_path: Path, content: bytes) -> None:
    train(recipe(faces), tmp_path).unlink()
    (tmp_path / "environment.json").write_bytes(content)
    with pytest.raises(RecipeError, match=r"environment\.json does not say which data"):
        train(recipe(faces), tmp_path, resume=True)


def test_a_full_disk_is_said_and_leaves_nothing_half_written(
    faces: Path, tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    with full_disk(40_000), pytest.raises(NsfaceError, match=r"cannot write .*latest\.pt"):
        train(recipe(faces), tmp_path)
    assert list((tmp_path / "checkpoints").iterdir()) == []
    model = train(recipe(faces), tmp_path, resume=True)
    model.unlink()
    with full_disk(40_000), pytest.raises(NsfaceError, match=r"cannot write .*model\.safetensors"):
        train(recipe(faces), tmp_path, resume=True)
    assert not model.exists()
    assert not list(tmp_path.glob(".*"))
    assert train(recipe(faces), tmp_path, resume=True) == model


def test_one_image_a_batch_cannot_be_normalised_over(faces: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"batch_size: light-resnet normalises .* at least 2"):
        train(recipe(faces, batch_size=1), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert train(
        recipe(faces, batch_size=1, iterations=1, epochs=None, network={"name": "sphereface-4"}), tmp_path
    )


@pytest.mark.parametrize(
    ("last", "name"), [("record_peak_memory", "environment.json"), ("save_model", "model.safetensors")]
)
def test_what_a_run_leaves_that_is_killed_as_it_ends_is_replaced(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str, name: str
) -> None:
    class Killed(BaseException):
        pass

    def killed(*arguments: Any) -> None:
        place = tmp_path / "killed" / name
        (place.parent / f".{name}.part0{place.suffix}").write_text("half")
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(run_module, last, killed)
        with pytest.raises(Killed):
            train(recipe(faces), tmp_path / "killed")
    train(recipe(faces), tmp_path / "killed", resume=True)
    train(recipe(faces), tmp_path / "whole")
    one, other = (
        sorted(str(path.relative_to(tmp_path / run)) for path in (tmp_path / run).rglob("*"))
        for run in ("killed", "whole")
    )
    assert one == other
    whole = (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert (tmp_path / "killed" / "model.safetensors").read_bytes() == whole


def test_changes_have_the_values_of_keys_left_at_their_defaults(small: Callable[..., Recipe]) -> None:
    settings: dict[str, Any] = {"accumulate": 4, "classifier_precision": "bf16", "compile": "off"}
    rate = {"learning_rate": 0.05, "nesterov": True, "backbone_rate": 0.5}
    expected: dict[str, list[Any]] = {
        "accumulate": [1, 4],
        "classifier_precision": ["fp32", "bf16"],
        "compile": ["auto", "off"],
        "guard.then": ["stop", "lower-rate"],
        "optimizer.backbone_rate": [1.0, 0.5],
    }
    one, other = small(), small(**settings, optimizer=rate, guard={"then": "lower-rate"})
    assert changes(one, other) == expected
    assert changes(other, one) == {key: values[::-1] for key, values in expected.items()}
    assert changes(one, small(checkpoint_minutes=1, tensorboard=True)) == {}
