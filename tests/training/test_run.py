"""Training runs: what they write, that they learn, and that a resumed run ends in the same bits."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from nsface.errors import DataError, NsfaceError, RecipeError
from nsface.heads import NoisySoftmax, Softmax
from nsface.model import read_model
from nsface.recipe.schema import Recipe
from nsface.training import trainer as trainer_module
from nsface.training.loop import Interrupted
from nsface.training.run import train
from nsface.training.trainer import Trainer
from tests.small_faces import HEIGHT, WIDTH, write_small_faces

SETTINGS: dict[str, Any] = {
    "network": {"name": "light-resnet", "embedding_size": 16, "channels": 8},
    "input": {"height": HEIGHT, "width": WIDTH},
    "head": {"name": "noisy-softmax", "alpha2": 0.1},
    "augmentation": {"shift": 2, "brightness": 0.2, "erase": 0.3},
    "optimizer": {"learning_rate": 0.05, "nesterov": True, "clip_norm": 5.0},
    "schedule": {"kind": "cosine", "warmup": 1},
    "epochs": 3,
    "batch_size": 12,
    "log_every": 2,
    "device": "cpu",
    "precision": "fp32",
}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_faces(tmp_path_factory.mktemp("data") / "train", identities=4, images=15)


def recipe(faces: Path, **changes: Any) -> Recipe:
    return Recipe.model_validate(SETTINGS | {"data": str(faces)} | changes)


def log(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def without_speed(lines: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines]


def test_run_folder(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    model = train(recipe(faces), out)
    assert model == out / "model.safetensors"
    assert Recipe.model_validate(yaml.safe_load((out / "recipe.yaml").read_text())) == recipe(faces)
    environment = json.loads((out / "environment.json").read_text())
    assert (environment["images"], environment["identities"]) == (60, 4)
    assert "command" not in environment
    assert 0 < environment["seconds"] < 600
    begun = datetime.fromisoformat(environment["started"])
    assert timedelta() <= datetime.now(timezone.utc) - begun < timedelta(minutes=10)
    lines = log(out)
    assert [line["step"] for line in lines] == [2, 4, 6, 8, 10, 12, 14, 15]
    for line in lines:
        assert 0 <= line["accuracy"] <= 1
        assert 0 <= line["probability"] <= 1
        assert 0 <= line["saturated"] <= 1
        assert line["gradient"] >= 1 - line["probability"] - 1e-6, "noise can only raise it"
    assert lines[0]["learning_rate"] == pytest.approx(0.05 * 1 / 5)
    network, description = read_model(model)
    assert description.identities == 4
    assert description.recipe_digest == recipe(faces).digest()
    assert network(torch.zeros(2, 3, HEIGHT, WIDTH)).shape == (2, 16)


def test_it_learns(faces: Path, tmp_path: Path) -> None:
    train(recipe(faces, epochs=12, head={"name": "softmax"}, augmentation={"mirror": True}), tmp_path / "run")
    lines = log(tmp_path / "run")
    assert lines[0]["loss"] > 1.2
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"]
    assert lines[-1]["probability"] > lines[0]["probability"]


EVERYTHING: dict[str, Any] = {
    "network": SETTINGS["network"] | {"activation": {"name": "nah-tanh", "c_start": 3.0}},
    "auxiliary": [{"name": "center", "weight": 0.1}, {"name": "triplet"}, {"name": "contrastive"}],
    "sampler": {"identities": 3, "images": 4},
}


@pytest.mark.parametrize(("stop_at", "changes"), [(3, {}), (5, {}), (8, {}), (8, EVERYTHING)])
def test_resumed_run_equals_the_uninterrupted_one(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int, changes: dict[str, Any]
) -> None:
    whole = load_file(train(recipe(faces, **changes), tmp_path / "whole"))
    original = trainer_module.Trainer._train_step

    def stop_in_the_middle(self: Trainer, *arguments: Any, **options: Any) -> Any:
        result = original(self, *arguments, **options)
        if self.step == stop_at:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGTERM)
        return result

    with monkeypatch.context() as patched:
        patched.setattr(trainer_module.Trainer, "_train_step", stop_in_the_middle)
        with pytest.raises(Interrupted, match=f"step {stop_at} of 15"):
            train(recipe(faces, **changes), tmp_path / "parts")
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    stopped = json.loads((tmp_path / "parts" / "environment.json").read_text())
    torch.randn(5)  # what was drawn elsewhere must not matter
    resumed = load_file(train(recipe(faces, **changes), tmp_path / "parts", resume=True))
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert without_speed(log(tmp_path / "parts")) == without_speed(log(tmp_path / "whole"))
    environment = json.loads((tmp_path / "parts" / "environment.json").read_text())
    assert environment["started"] == stopped["started"]
    assert environment["seconds"] > stopped["seconds"] > 0
    assert (stopped["step"], environment["step"]) == (stop_at, 15)


def test_run_killed_without_warning_resumes_from_the_last_epoch(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_file(train(recipe(faces), tmp_path / "whole"))
    original = trainer_module.Trainer._train_step

    def die(self: Trainer, *arguments: Any, **options: Any) -> Any:
        if self.step == 9:
            raise SystemError("killed")
        return original(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(trainer_module.Trainer, "_train_step", die)
        with pytest.raises(SystemError):
            train(recipe(faces), tmp_path / "parts")
    resumed = load_file(train(recipe(faces), tmp_path / "parts", resume=True))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert without_speed(log(tmp_path / "parts")) == without_speed(log(tmp_path / "whole"))


def test_auxiliary_losses_and_a_noisy_activation_are_trained_and_logged(faces: Path, tmp_path: Path) -> None:
    model = train(recipe(faces, **EVERYTHING, epochs=4), tmp_path / "run")
    lines = log(tmp_path / "run")
    for name in ("center", "triplet", "contrastive"):
        assert all(line[name] > 0 for line in lines)
    assert lines[-1]["contrastive"] < lines[0]["contrastive"]
    weights = load_file(model)
    learned = [name for name in weights if name.endswith(".p")]
    assert learned
    assert not any(torch.equal(weights[name], torch.ones_like(weights[name])) for name in learned)
    assert weights["stem.2.c"].item() == pytest.approx(3 / 20**0.5), "as the last of 20 steps had it"
    assert read_model(model)[0](torch.zeros(2, 3, HEIGHT, WIDTH)).shape == (2, 16)


def test_a_loss_of_weight_near_zero_changes_next_to_nothing(faces: Path, tmp_path: Path) -> None:
    changes = {"sampler": {"identities": 3, "images": 4}, "epochs": 1, "schedule": {}}
    plain = load_file(train(recipe(faces, **changes), tmp_path / "plain"))
    losses = [{"name": "triplet", "weight": 1e-12}]
    light = load_file(train(recipe(faces, **changes, auxiliary=losses), tmp_path / "light"))
    heavy = load_file(
        train(recipe(faces, **changes, auxiliary=[{"name": "triplet", "weight": 1.0}]), tmp_path / "heavy")
    )
    torch.testing.assert_close(light["fc.weight"], plain["fc.weight"], rtol=1e-3, atol=1e-5)
    assert (heavy["fc.weight"] - plain["fc.weight"]).abs().max() > 1e-3


def test_resuming_on_other_images_is_refused(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "faces"
    shutil.copytree(faces, images)
    original = trainer_module.Trainer._train_step

    def die(self: Trainer, *arguments: Any, **options: Any) -> Any:
        if self.step == 6:
            raise SystemError("killed")
        return original(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(trainer_module.Trainer, "_train_step", die)
        with pytest.raises(SystemError):
            train(recipe(images), tmp_path / "run")
    environment = tmp_path / "run" / "environment.json"
    noted = environment.read_text()
    changed = next(images.rglob("*.jpg"))
    data = changed.read_bytes()
    changed.write_bytes(data + b"\0")
    with pytest.raises(RecipeError, match=r"--resume: the training images are not those .*environment\.json"):
        train(recipe(images), tmp_path / "run", resume=True)
    assert environment.read_text() == noted, "the record is not overwritten by a refused run"
    environment.write_text("{}")
    with pytest.raises(RecipeError, match=r"environment\.json does not say which data"):
        train(recipe(images), tmp_path / "run", resume=True)
    environment.write_text(noted)
    changed.unlink()
    shutil.copy2(faces / changed.relative_to(images), changed)
    assert train(recipe(images), tmp_path / "run", resume=True).exists()


def test_seeds(faces: Path, tmp_path: Path) -> None:
    first, same, other = (
        load_file(train(recipe(faces, epochs=1, schedule={}, seed=seed), tmp_path / name))
        for name, seed in [("first", 1), ("same", 1), ("other", 2)]
    )
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_iterations_and_excluded_identities(faces: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"epochs": None, "iterations": 4, "schedule": {}, "exclude": ["0000002"]}
    model = train(recipe(faces, **changes), tmp_path / "run")
    assert log(tmp_path / "run")[-1]["step"] == 4
    assert read_model(model)[1].identities == 3


def test_cached_pixels_train_to_the_same_bits(faces: Path, tmp_path: Path) -> None:
    changes = {"epochs": 1, "schedule": {}}
    plain = load_file(train(recipe(faces, **changes), tmp_path / "plain"))
    cached = load_file(train(recipe(faces, **changes, cache=str(tmp_path / "cache")), tmp_path / "cached"))
    assert all(torch.equal(plain[name], cached[name]) for name in plain)


def test_a_finished_run_is_not_trained_again_and_a_folder_is_not_overwritten(
    faces: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    changes = {"epochs": 1, "schedule": {}}
    stamp = train(recipe(faces, **changes), out).stat().st_mtime_ns
    with pytest.raises(NsfaceError, match="holds a run already; give --resume"):
        train(recipe(faces, **changes), out)
    assert train(recipe(faces, **changes), out, resume=True).stat().st_mtime_ns == stamp
    with pytest.raises(RecipeError, match="differs from the recipe given in seed"):
        train(recipe(faces, **changes, seed=5), out, resume=True)


def test_bfloat16_trains_to_nearly_the_same_loss(faces: Path, tmp_path: Path) -> None:
    for precision in ("fp32", "bf16"):
        train(recipe(faces, epochs=1, schedule={}, precision=precision), tmp_path / precision)
    half, single = log(tmp_path / "bf16"), log(tmp_path / "fp32")
    assert half[0]["loss"] == pytest.approx(single[0]["loss"], rel=0.02)
    assert half[0]["loss"] != single[0]["loss"], "bf16 must have been used"


def test_one_step_by_hand(faces: Path) -> None:
    """A step of the trainer against SGD with Nesterov momentum written out."""
    from nsface.images.batches.augmentation import Augmentation
    from nsface.images.batches.loader import Loader
    from nsface.images.batches.sampling import Shuffled

    settings = recipe(
        faces,
        head={"name": "softmax"},
        optimizer={"learning_rate": 0.5, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        schedule={},
    )
    pixels = torch.randint(0, 256, (6, 4, 3, 3), dtype=torch.uint8).numpy()
    labels = torch.tensor([0, 1, 2, 0, 1, 2]).numpy()
    loader = Loader(pixels, labels, Shuffled(6, 6, 0), Augmentation(mirror=False), 0, torch.device("cpu"))
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 5, bias=False))
    head = Softmax(5, 3)
    weights = [
        network.get_parameter("1.weight").detach().clone().requires_grad_(),
        head.weight.detach().clone().requires_grad_(),
    ]
    trainer = Trainer(
        settings, network, head, torch.nn.ModuleDict(), loader, torch.device("cpu"), torch.float32
    )
    steps = trainer.run()
    momentum = [torch.zeros_like(weight) for weight in weights]
    for step in range(2):
        next(steps)
        (images, targets), *_ = loader.epoch(step)
        logits = ((images - 127.5) / 128).flatten(1) @ weights[0].T @ weights[1].T
        loss = torch.nn.functional.cross_entropy(logits, targets)
        rate = learning_rate_of_cosine(0.5, step, trainer.total_steps)
        for i, gradient in enumerate(torch.autograd.grad(loss, weights)):
            decayed = gradient + 0.01 * weights[i].detach()
            momentum[i] = 0.9 * momentum[i] + decayed
            weights[i].data -= rate * (decayed + 0.9 * momentum[i])
    torch.testing.assert_close(network[1].weight, weights[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(head.weight, weights[1], rtol=1e-5, atol=1e-6)


def learning_rate_of_cosine(base: float, step: int, total: int) -> float:
    import math

    return base * 0.5 * (1 + math.cos(math.pi * step / total))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sampler": {"identities": 9, "images": 2}, "batch_size": 18},
            r"sampler\.identities is 9, but .* 4",
        ),
        ({"data": None}, "give --data PATH"),
        (
            {"batch_size": 70, "accumulate": 7},
            r"^batch_size: 60 images a step, all that there are, cannot be .* into 7 parts .* of 7 up to 60",
        ),
        (
            {"batch_size": 120, "accumulate": 60},
            "normalises over the images of a batch; give at least 120, and accumulate at most 30",
        ),
        ({"exclude": ["nobody"]}, "exclude: no such identity in .*: nobody"),
    ],
)
def test_wrong_recipes_are_refused_before_training(
    faces: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        train(recipe(faces, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists(), "nothing is left behind"


def test_a_batch_larger_than_the_training_set_is_said(faces: Path, tmp_path: Path) -> None:
    said: list[str] = []
    train(recipe(faces, batch_size=80, epochs=2), tmp_path, note=said.append)
    assert "note: batch_size is 80, and there are 60 images: a step takes all" in said
    assert log(tmp_path)[-1]["step"] == 2


def test_unusable_images(faces: Path, tmp_path: Path) -> None:
    images = sorted(faces.rglob("*.jpg"))
    cases = {"one": images[:1], "flat": images[:2]}
    for name, chosen in cases.items():
        for number, image in enumerate(chosen):
            target = tmp_path / name / ("only" if name == "one" else "") / f"{number}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(image.read_bytes())
    with pytest.raises(DataError, match=r"1 identity in use .*at least 2"):
        train(recipe(tmp_path / "one"), tmp_path / "run")
    with pytest.raises(DataError, match="lies in no identity's folder"):
        train(recipe(tmp_path / "flat"), tmp_path / "run")
    with pytest.raises(DataError, match=r"28×24 .* where 112×112 is needed"):
        train(recipe(faces, input={"height": 112, "width": 112}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_noise_uses_its_own_seed(faces: Path) -> None:
    head = NoisySoftmax(4, 3)
    features, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 1])
    head.reseed(1)
    first = head(features, labels).loss
    head.reseed(2)
    assert not torch.equal(first, head(features, labels).loss)
