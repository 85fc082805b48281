"""A run that learns nothing is told so once, with likely causes in order; no run that learns is."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import binom

from nsface.heads import HEADS, HeadOutput
from nsface.recipe.schema import Recipe
from nsface.training.guards.learning import Learning, divergence, first_steps, likely_causes
from nsface.training.run import train
from nsface.training.trainer import Trainer

Make = Callable[..., Trainer]
NETWORK = {"name": "light-resnet", "embedding_size": 16, "channels": 8}
STEPS: dict[str, Any] = {"epochs": None, "schedule": {}, "iterations": 60, "guard": {"learning": 20}}
STEPS |= {"batch_size": 12, "augmentation": {"mirror": False}, "network": NETWORK}


def remarks(trainer: Trainer) -> list[str]:
    """What is said of the run after the first of its steps."""
    for _ in trainer.run():
        if trainer.step == trainer.learning.steps:
            return trainer.learning.remarks()
    raise AssertionError("no step was the one")


@pytest.mark.parametrize("name", HEADS)
def test_nothing_is_said_of_a_head_that_learns(make: Make, name: str) -> None:
    assert remarks(make(**STEPS, head={"name": name})) == []


@pytest.mark.parametrize("alpha2", [0.5, 1.0])
def test_nor_with_much_noise(make: Make, alpha2: float) -> None:
    assert remarks(make(**STEPS, head={"name": "noisy-softmax", "alpha2": alpha2})) == []


@pytest.mark.parametrize(
    ("head", "changes", "causes"),
    [
        ("softmax", {"optimizer": {"learning_rate": 1e-6}}, ["rate (1e-06) too low", "no schedule.warmup"]),
        ("softmax", {"optimizer": {"learning_rate": 100.0}}, ["rate (100) too high", "no schedule.warmup"]),
        ("softmax", {"shuffled": True, "images": 60}, ["rate (0.05) too high", "no schedule.warmup"]),
        ("arcface", {"optimizer": {"learning_rate": 1e-9}}, [
            "rate (1e-09) too low", "warmup, which a margin needs", "head.scale (64) too high for 4"
        ]),
        ("arcface", {"optimizer": {"learning_rate": 1000.0}}, ["rate (1000) too high", "which a margin"]),
        ("arcface", {"shuffled": True, "images": 60}, ["rate (0.05) too high", "which a margin needs"]),
    ],
)  # fmt: skip
def test_a_run_that_learns_nothing(make: Make, head: str, changes: dict[str, Any], causes: list[str]) -> None:
    found = remarks(make(**STEPS | changes, head={"name": head}))
    assert len(found) == 1
    places = [found[0].find(cause) for cause in [*causes, "labels that do not belong to the images"]]
    assert -1 not in places, found
    assert places == sorted(places), "the likeliest first"


def test_chance_is_bounded_as_the_binomial_distribution_is() -> None:
    for n, k, p in [(100, 10, 0.01), (1000, 15, 0.004), (24, 24, 0.25), (3000, 3, 1e-4)]:
        assert binom.sf(k - 1, n, p) <= math.exp(-n * divergence(k / n, p)) < 60 * binom.sf(k - 1, n, p)
    assert divergence(0.01, 0.02) == 0


def test_it_is_said_once_while_the_run_goes_on(small: Callable[..., Recipe], tmp_path: Path) -> None:
    slow = {"optimizer": {"learning_rate": 1e-6}, "guard": {"learning": 6}, "epochs": 2}
    said: list[str] = []
    train(small(**slow), tmp_path / "run", note=said.append)
    assert ["nothing has been learned in 6 steps" in line for line in said].count(True) == 1
    assert small(**slow).digest() == small(**slow | {"guard": {"learning": None}}).digest()


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({"epochs": 6, "schedule": {"warmup": 1}}, 221 + 221),
        ({"epochs": 28, "schedule": {"warmup": 1.5}}, 332 + 618),
        ({"epochs": None, "iterations": 28000, "schedule": {"warmup": 1000}}, 1000 + 2800),
        ({"epochs": None, "iterations": 150, "schedule": {}}, 150),
        ({"epochs": None, "iterations": 99, "schedule": {}}, None),
        ({"epochs": 6, "schedule": {}, "guard": {"learning": 77}}, 77),
        ({"epochs": 1, "schedule": {}, "guard": {"learning": 777}}, None),
    ],
)
def test_the_first_steps(small: Callable[..., Recipe], changes: dict[str, Any], steps: int | None) -> None:
    recipe = small(**changes)
    assert first_steps(recipe, 221, recipe.iterations or 221 * (recipe.epochs or 0)) == steps


def test_causes_that_need_other_recipes(make: Make) -> None:
    noisy = make(head={"name": "noisy-softmax", "alpha2": 0.5}, schedule={"warmup": 1})
    noisy.head.weight.data.fill_(9.0)
    causes = likely_causes(noisy.recipe, noisy.head, images=6)
    assert causes == [
        "head.alpha2 (0.5) too large for the beginning",
        "optimizer.learning_rate (0.05) too high",
        "6 images of 4 identities: most have a single one",
        "class weights are long (norm 25.5)",
        "labels that do not belong to the images (nsface inspect)",
    ]
    low = make(head={"name": "cosface", "scale": 0.3}, schedule={"warmup": 1})
    assert "head.scale (0.3) too low for 4 identities" in likely_causes(low.recipe, low.head, images=60)


@pytest.mark.parametrize(("sampler", "learned"), [(None, False), ({"identities": 2, "images": 3}, True)])
def test_chance_is_that_of_the_batches(make: Make, sampler: dict[str, int] | None, learned: bool) -> None:
    """Nine of ten images are of one identity, and half are recognised: far more than batches explain that
    are balanced over the identities."""
    changes: dict[str, Any] = {} if sampler is None else {"sampler": sampler}
    made = make(guard={"learning": 10}, **changes)
    labels = torch.tensor([0] * 270 + [1, 2, 3] * 10)
    learning = Learning(made.recipe, made.head, labels, 50, 100)
    half = torch.arange(300) % 2 == 0
    nothing = torch.full((300,), 1e-3)
    learning.add(7, HeadOutput(nothing, half, nothing, nothing), torch.tensor(True))
    assert (learning.remarks() == []) == learned
