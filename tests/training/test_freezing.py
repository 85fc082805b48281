"""Frozen parts stay as they are, bit for bit, and a released part is trained from its first step on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from nsface.heads import Softmax, other_identities
from nsface.images.batches.augmentation import Augmentation
from nsface.images.batches.loader import Loader
from nsface.images.batches.sampling import Shuffled
from nsface.images.pixels import load_pixels
from nsface.images.sources import open_source
from nsface.model import read_model
from nsface.recipe.schema import Recipe
from nsface.training.loop import Interrupted
from nsface.training.run import train
from nsface.training.trainer import Trainer

Small = Callable[..., Recipe]
Logged = Callable[[Path], list[dict[str, float]]]
NOISY = {"name": "light-resnet", "embedding_size": 16, "channels": 8} | {
    "activation": {"name": "nah-tanh", "c_start": 3.0},
    "dropout": 0.5,
}


@pytest.fixture(scope="module")
def former(small: Small, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The model of a run on three of the four people."""
    out = tmp_path_factory.mktemp("former") / "run"
    return str(train(small(epochs=1, schedule={}, exclude=["0000001"]), out))


def inside(parts: list[str], name: str) -> bool:
    return any(name.startswith(f"{part}.") for part in parts)


@pytest.mark.parametrize(
    ("parts", "network"),
    [
        (["stem", "stages.0"], None),
        (["stages.2", "bn"], None),
        (["stages", "fc"], None),
        (["stages.0", "dropout"], NOISY),
    ],
)
def test_frozen_parts_stay_bit_for_bit(
    small: Small, tmp_path: Path, former: str, parts: list[str], network: dict[str, Any] | None
) -> None:
    if network is not None:
        former = str(train(small(epochs=1, schedule={}, network=network), tmp_path / "former"))
    chosen = small(init=former, freeze=parts, network=network or small().network.model_dump())
    before, after = load_file(former), load_file(train(chosen, tmp_path / "run"))
    assert before.keys() == after.keys()
    assert any(inside(parts, name) for name in before)
    for name, tensor in before.items():
        same = torch.equal(tensor, after[name])
        assert same if inside(parts, name) else not same or name.endswith(".c"), name
    state = torch.load(tmp_path / "run" / "checkpoints" / "latest.pt", weights_only=True)
    built = chosen.network.build(chosen.input)
    trained = sum(not inside(parts, name) for name, _ in built.named_parameters())
    assert len(state["optimizer"]["state"]) == trained + 1, "frozen weights have no momentum; the head has"


def test_a_frozen_network_gives_the_head_what_extraction_gives(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, former: str
) -> None:
    seen: list[Tensor] = []
    forward = Softmax.forward

    def watching(self: Softmax, features: Tensor, labels: Tensor) -> Any:
        seen.append(features.detach().clone())
        return forward(self, features, labels)

    monkeypatch.setattr(Softmax, "forward", watching)
    chosen = small(init=former, freeze="all", augmentation={"mirror": False}, epochs=1, schedule={})
    train(chosen, tmp_path / "run")
    source = open_source(str(chosen.data))
    pixels = load_pixels(source, list(range(len(source.names))), chosen.input.height, chosen.input.width)
    with torch.no_grad():
        expected = read_model(former)[0]((torch.as_tensor(pixels).permute(0, 3, 1, 2) - 127.5) / 128)
    distances = torch.cdist(torch.cat(seen), expected)
    assert distances.min(dim=1).values.max() < 1e-3
    assert sorted(distances.argmin(dim=1).tolist()) == list(range(60)), "each image once in the epoch"


def test_steps_by_hand(small: Small) -> None:
    """Two frozen steps, then three with the network: momentum and weight decay begin with the third."""
    chosen = small(
        init={"model": "unread", "digest": "0" * 64},
        freeze={"parts": "all", "iterations": 2},
        optimizer={"learning_rate": 0.5, "momentum": 0.9, "weight_decay": 0.01, "backbone_rate": 0.1},
        schedule={"kind": "step", "milestones": [3]},
        epochs=None,
        iterations=5,
    )
    pixels = torch.randint(0, 256, (6, 4, 3, 3), dtype=torch.uint8).numpy()
    labels = torch.tensor([0, 1, 2, 0, 1, 2]).numpy()
    loader = Loader(pixels, labels, Shuffled(6, 6, 0), Augmentation(mirror=False), 0, torch.device("cpu"))
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 5, bias=False))
    head = Softmax(5, 3)
    weights = [network.get_parameter("1.weight").detach().clone(), head.weight.detach().clone()]
    trainer = Trainer(chosen, network, head, nn.ModuleDict(), loader, torch.device("cpu"), torch.float32)
    steps = trainer.run()
    momentum = [torch.zeros_like(weight) for weight in weights]
    for step in range(5):
        next(steps)
        (images, targets), *_ = loader.epoch(step)
        x = ((images - 127.5) / 128).flatten(1)
        features = x @ weights[0].T
        error = (features @ weights[1].T).softmax(1) - nn.functional.one_hot(targets, 3)
        gradients = [weights[1].T @ error.T @ x / 6, error.T @ features / 6]
        rate = 0.5 if step < 3 else 0.05
        for i, share in ((0, 0.1), (1, 1.0)):
            if i == 0 and step < 2:
                continue
            momentum[i] = 0.9 * momentum[i] + gradients[i] + 0.01 * weights[i]
            weights[i] = weights[i] - share * rate * momentum[i]
        torch.testing.assert_close(
            network.get_parameter("1.weight").detach(), weights[0], rtol=1e-4, atol=1e-6
        )
        torch.testing.assert_close(head.weight.detach(), weights[1], rtol=1e-4, atol=1e-6)


TWO_PARTS = {"parts": ["stem", "stages.0"], "epochs": 1}
WHOLE = {"parts": "all", "epochs": 1}
STOPS = [
    pytest.param(4, {"freeze": TWO_PARTS}, "plain", id="before the release"),
    pytest.param(5, {"freeze": TWO_PARTS}, "plain", id="at the release"),
    pytest.param(6, {"freeze": TWO_PARTS}, "blocked", id="after the release"),
    pytest.param(5, {"freeze": WHOLE}, "blocked", id="at the release of all"),
    pytest.param(8, {"freeze": ["stages"]}, "plain", id="never released"),
    pytest.param(6, {"freeze": WHOLE, "network": NOISY}, "plain", id="activation and dropout"),
]


@pytest.mark.parametrize(("stop_at", "changes", "form"), STOPS)
def test_resumed_run_equals_the_uninterrupted_one(
    small: Small,
    logged: Logged,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    former: str,
    stop_at: int,
    changes: dict[str, Any],
    form: str,
) -> None:
    if "network" in changes:
        former = str(train(small(epochs=1, schedule={}, network=NOISY), tmp_path / "former"))
    if form == "blocked":
        monkeypatch.setattr(other_identities, "PLAIN_LIMIT", 1)
    settings = {"optimizer": {"backbone_rate": 0.3, "nesterov": True}, "epochs": 2} | changes
    chosen = small(init=former, **settings)
    whole = load_file(train(chosen, tmp_path / "whole"))
    step = Trainer._train_step

    def stop(self: Trainer, *arguments: Any, **options: Any) -> Any:
        result = step(self, *arguments, **options)
        if self.step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_train_step", stop)
        with pytest.raises(Interrupted, match=f"step {stop_at} of 10"):
            train(chosen, tmp_path / "parts")
    resumed = load_file(train(chosen, tmp_path / "parts", resume=True))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert logged(tmp_path / "parts") == logged(tmp_path / "whole")


def test_a_run_killed_after_the_release_resumes_to_the_same_bits(
    small: Small, logged: Logged, tmp_path: Path, former: str, warm_python: str
) -> None:
    """SIGKILL to `nsface train` as soon as the state of the first epoch, at the release, is saved."""
    chosen = small(init=former, freeze={"parts": ["stem", "stages"], "epochs": 1}, epochs=50)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(chosen.to_yaml())
    whole = load_file(train(chosen, tmp_path / "whole"))
    out = tmp_path / "parts"
    command = ["-m", "nsface", "train", str(recipe), "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (out / "checkpoints" / "latest.pt").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    subprocess.run([warm_python, *command, "--resume"], check=True, capture_output=True)
    resumed = load_file(out / "model.safetensors")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert logged(out) == logged(tmp_path / "whole")
