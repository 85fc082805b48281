"""What is measured is a training: its batches, its steps, and where their time goes."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from nsface.benchmark import speed
from nsface.benchmark.roofline import Roofline
from nsface.benchmark.speed import PARTS, Setting, costs, endless, measure
from nsface.heads import Head
from nsface.images.batches import loader
from nsface.images.batches.augmentation import augment
from nsface.images.batches.loader import Loader
from nsface.networks import count
from nsface.recipe.schema import Recipe
from nsface.training.data import make_sampler
from nsface.training.trainer import Trainer


def recipe(**changes: Any) -> Recipe:
    content = {
        "network": {"name": "light-resnet", "embedding_size": 8, "channels": 16},
        "head": {"name": "arcface"},
        "input": {"height": 16, "width": 16},
        "epochs": 2,
        "batch_size": 4,
        "device": "cpu",
        "precision": "fp32",
    }
    return Recipe.model_validate(content | changes)


@pytest.fixture(autouse=True)
def roofline_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "roofline_of", lambda device, dtype: Roofline("fp32", None, 1, 1, 1))


def test_the_time_of_each_part_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part sleeps for a time of its own, and it is found there."""
    sleep = {"loader": 0.020, "head": 0.010, "backward": 0.015}

    def slowed(part: str, function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            time.sleep(sleep[part])
            return function(*arguments, **named)

        return call

    monkeypatch.setattr(loader, "augment", slowed("loader", augment))
    monkeypatch.setattr(Head, "forward", slowed("head", Head.forward))
    monkeypatch.setattr(torch.Tensor, "backward", slowed("backward", torch.Tensor.backward))
    found = measure(Setting(recipe(), identities=6, images=32, seconds=0.4))
    assert tuple(found.parts) == PARTS
    for part, spent in found.parts.items():
        assert spent >= sleep.get(part, 0)
    # of a step, what is not the loader's goes on without it
    step = sum(found.parts.values())
    assert found.loader_share > 0.2 * sleep["loader"] / step
    assert found.images_per_second.median < 4 / sum(sleep.values())
    assert found.without_loader.median > found.images_per_second.median
    assert found.steps >= 3
    assert found.images == 32
    assert found.pixels == 32 * 16 * 16 * 3
    assert found.first_step > sum(sleep.values())
    json = found.to_json()
    assert json["operations_per_second"] == found.operations * json["images_per_second"]["median"]
    assert json["computed_minutes"] == 20 * 490_623 / found.images_per_second.median / 60


def test_the_batches_are_those_of_the_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    """But where one is held; and after it the next one comes."""
    pixels = torch.arange(12, dtype=torch.uint8)[:, None, None, None].expand(12, 2, 2, 3).contiguous()
    settings = recipe()
    labels = torch.arange(12).numpy()
    made = [
        kind(
            pixels,
            labels,
            make_sampler(settings, labels),
            settings.augmentation,
            0,
            torch.device("cpu"),
        )
        for kind in (Loader, speed._Loader)
    ]
    plain = [images for images, _ in made[0].epoch(3)]
    assert len(plain) == 3
    same = [images for images, _ in made[1].epoch(3)]
    assert all(map(torch.equal, plain, same))
    measured = made[1]
    assert isinstance(measured, speed._Loader)
    marks: list[str] = []
    measured.mark = marks.append
    batches = measured.epoch(3)
    given = []
    for measured.hold in (False, True, False):
        given.append(next(batches)[0])
    assert given[1] is given[0]
    assert torch.equal(given[2], plain[1])
    assert marks == ["rest", "loader"] * 3


def test_an_endless_recipe_trains_the_same_network_and_head() -> None:
    given = recipe(data="somewhere", cache="else", schedule={"kind": "cosine", "warmup": 1.0})
    made = endless(given)
    for key in ("network", "head", "input", "augmentation", "batch_size", "precision", "seed"):
        assert getattr(made, key) == getattr(given, key)
    assert (made.data, made.cache, made.iterations) == (None, None, 1 << 30)
    assert made.schedule.warmup == 0


def test_costs_of_network_and_classifier() -> None:
    network = recipe().network.build(recipe().input)
    layers = costs(recipe(head={"name": "arcface", "sample_rate": 0.25}), network, identities=10)
    alone = count(network, 16, 16)
    assert sum(layer.multiply_adds for layer in layers) == alone.multiply_adds + 8 * 3  # ⌈0.25 · 10⌉ of them


def test_every_step_is_one_of_the_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    right = Trainer._train_step

    def counted(self: Trainer, *arguments: Any, **named: Any) -> Any:
        nonlocal steps
        steps += 1
        return right(self, *arguments, **named)

    monkeypatch.setattr(Trainer, "_train_step", counted)
    found = measure(Setting(recipe(), identities=6, images=8, seconds=0.05))
    # the first one, the warm-up, blocks with and without the loader, and those of the parts
    assert steps >= 1 + 1 + 2 * found.steps + 3
