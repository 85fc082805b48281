"""A training that decodes as it goes: the same weights, through Ctrl-C and --resume; real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from nsface.errors import DataError
from nsface.recipe.schema import Recipe
from nsface.synthetic import write_training_set
from nsface.training import host_copy, saving
from nsface.training.checkpoint import load_checkpoint, save_checkpoint
from nsface.training.run import train

RECIPE = {
    "network": {"name": "light-resnet", "embedding_size": 16, "channels": 8},
    "head": {"name": "noisy-softmax"},
    "augmentation": {"shift": 2, "erase": 0.3},
    "epochs": 10,
    "batch_size": 12,
    "log_every": 1,
    "device": "cpu",
    "precision": "fp32",
}


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return write_training_set(tmp_path / "faces.tar", identities=4, images=10)


def wait_for(what: Path, lines: int) -> None:
    deadline = time.monotonic() + 120
    while not what.exists() or len(what.read_text().splitlines()) < lines:
        assert time.monotonic() < deadline, f"{what} has not grown"
        time.sleep(0.02)


def test_interrupted_and_resumed_it_ends_in_the_weights_of_a_run_from_memory(
    faces: Path, tmp_path: Path
) -> None:
    whole = load_file(train(Recipe.model_validate(RECIPE | {"data": str(faces)}), tmp_path / "whole"))
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    out = tmp_path / "run"
    command = [sys.executable, "-m", "nsface", "train", str(tmp_path / "recipe.yaml"), "--data", str(faces)]
    command += ["--out", str(out), "--set", "streaming=2"]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
    wait_for(out / "log.jsonl", lines=4)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    message = process.communicate(timeout=120)[1]
    assert process.returncode == 130, message
    assert message.splitlines()[-1].startswith("nsface: stopped after step ")
    assert "Traceback" not in message
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # no worker is left
    resumed = Recipe.model_validate(RECIPE | {"data": str(faces), "streaming": 1})
    weights = load_file(train(resumed, out, resume=True))
    assert weights.keys() == whole.keys()
    assert all(bool((weights[name] == whole[name]).all()) for name in whole)


def test_a_fault_on_the_way_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = write_training_set(tmp_path / "faces", identities=4, images=5)
    bad = sorted(faces.rglob("*.jpg"))[7]

    def save_and_damage(path: Path, state: dict[str, Any]) -> None:
        save_checkpoint(path, state)
        bad.write_bytes(bad.read_bytes()[:-100])

    monkeypatch.setattr(saving, "save_checkpoint", save_and_damage)
    monkeypatch.setattr(host_copy, "SHARE", 0)  # no step is taken while a state is written
    recipe = Recipe.model_validate(RECIPE | {"data": str(faces), "streaming": 2, "batch_size": 10})
    with pytest.raises(DataError, match=rf"{bad.relative_to(faces)}: truncated image; [^\n]*$"):
        train(recipe, tmp_path / "run")
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "latest.pt", torch.device("cpu"))["step"] == 2
    left = {path.name for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert left == {"recipe.yaml", "environment.json", "log.jsonl", "log.csv", "latest.pt"}
