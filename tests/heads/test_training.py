"""Heads that remember or change with time, in a training run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nsface.recipe.schema import Recipe
from nsface.synthetic import write_training_set
from nsface.training import trainer as trainer_module
from nsface.training.run import train

HEADS: list[dict[str, Any]] = [
    {"name": "noisy-softmax", "alpha_schedule": "linear"},
    {"name": "gradient-decay", "warmup": 0.8, "alpha2": 0.1},
    {"name": "adaface", "scale": 16.0, "alpha2": 0.1},
    {"name": "curricularface", "scale": 16.0, "sample_rate": 0.7},
]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training_set(tmp_path_factory.mktemp("data") / "train", identities=4, images=3)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head["name"])
def test_resumed_run_ends_in_the_same_bits(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: dict[str, Any]
) -> None:
    recipe = Recipe.model_validate(
        {
            "network": {"name": "light-resnet", "embedding_size": 8, "channels": 8},
            "head": head,
            "data": str(faces),
            "epochs": 2,
            "batch_size": 6,
            "device": "cpu",
            "precision": "fp32",
        }
    )
    original = trainer_module.Trainer._train_step
    shares = []

    def noted(self: Any, *arguments: Any, **options: Any) -> Any:
        result = original(self, *arguments, **options)
        shares.append(self.head.progress)
        return result

    def die(self: Any, *arguments: Any, **options: Any) -> Any:
        if self.step == 3:
            raise SystemError("killed")
        return original(self, *arguments, **options)

    monkeypatch.setattr(trainer_module.Trainer, "_train_step", noted)
    whole = load_file(train(recipe, tmp_path / "whole"))
    assert shares == [0, 0.25, 0.5, 0.75]
    assert json.loads((tmp_path / "whole" / "environment.json").read_text())["classifier"] == "plain"
    monkeypatch.setattr(trainer_module.Trainer, "_train_step", die)
    with pytest.raises(SystemError):
        train(recipe, tmp_path / "parts")
    monkeypatch.setattr(trainer_module.Trainer, "_train_step", original)
    resumed = load_file(train(recipe, tmp_path / "parts", resume=True))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
