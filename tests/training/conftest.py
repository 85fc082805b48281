"""Small runs for the tests of training: 60 small faces of four people, five steps an epoch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nsface.recipe.schema import Recipe
from tests.small_faces import HEIGHT, WIDTH, write_small_faces

SETTINGS: dict[str, Any] = {
    "network": {"name": "light-resnet", "embedding_size": 16, "channels": 8},
    "input": {"height": HEIGHT, "width": WIDTH},
    "head": {"name": "softmax"},
    "optimizer": {"learning_rate": 0.05, "nesterov": True},
    "schedule": {"kind": "step", "milestones": [1]},
    "epochs": 3,
    "batch_size": 12,
    "log_every": 2,
    "device": "cpu",
    "precision": "fp32",
}


@pytest.fixture(scope="session")
def sixty_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_faces(tmp_path_factory.mktemp("data") / "train", identities=4, images=15)


@pytest.fixture(scope="session")
def small(sixty_faces: Path) -> Callable[..., Recipe]:
    """`small(**changes)` is a recipe of three epochs, five steps each."""

    def made(**changes: Any) -> Recipe:
        return Recipe.model_validate(SETTINGS | {"data": str(sixty_faces)} | changes)

    return made


@pytest.fixture
def logged() -> Callable[[Path], list[dict[str, float]]]:
    """`logged(run)` is the log of a run folder, without the speed."""

    def read(out: Path) -> list[dict[str, float]]:
        lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        return [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines]

    return read
