"""Run folders on disk, as a training leaves them, with numbers that a test gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from nsface.results import Result


def write_run(
    folder: Path, *, head: str = "softmax", seed: int = 0, steps: tuple[int, ...] = (10, 20), **keys: Any
) -> Path:
    """A run of 2 epochs with 10 steps each, of which `steps` were logged.

    `keys` are results by file name; `recipe` and `environment` what to change there, `model` whether there is
    one.
    """
    (folder / "checkpoints").mkdir(parents=True)
    recipe = {"data": "faces", "network": {"name": "light-resnet"}, "head": {"name": head}, "epochs": 2}
    recipe |= {"iterations": None, "seed": seed} | keys.pop("recipe", {})
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    environment = {
        "nsface": "0.4.0",
        "device": "cpu",
        "precision": "bfloat16",
        "data": "abc",
        "seconds": 75.4,
    }
    (folder / "environment.json").write_text(json.dumps(environment | keys.pop("environment", {})))
    lines = [
        {
            "step": n,
            "epoch": n / 10,
            "loss": 2 - n / 20 + seed / 8,
            "accuracy": 0.5,
            "images_per_second": 100.0 + n,
        }
        for n in steps
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if keys.pop("model", True):
        (folder / "model.safetensors").touch()
    for name, result in keys.items():
        content = result.to_json() if isinstance(result, Result) else result
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder
