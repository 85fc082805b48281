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
from nsface.networks.light_resnet import LightResNet
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
    monkeypatch.setattr(speed, "roofline_of", lambda *_: Roofline("fp32", None, 1, 1, 1))


def test_the_time_of_each_part_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only these parts of a step move on, each by a time of its own."""
    taken = {"loader": 0.25, "network": 0.0625, "head": 0.125, "backward": 0.5}
    now = 0.0

    def timed(part: str, function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal now
            now += taken[part]
            return function(*arguments, **named)

        return call

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    monkeypatch.setattr(loader, "augment", timed("loader", augment))
    monkeypatch.setattr(LightResNet, "forward", timed("network", LightResNet.forward))
    monkeypatch.setattr(Head, "forward", timed("head", Head.forward))
    monkeypatch.setattr(torch.Tensor, "backward", timed("backward", torch.Tensor.backward))
    found = measure(Setting(recipe(), identities=6, images=32, seconds=100))
    step = sum(taken.values())
    assert found.parts == dict.fromkeys(PARTS, 0.0) | taken
    assert found.first_step == step
    assert set(found.images_per_second.blocks) == {4 / step}
    assert set(found.without_loader.blocks) == {4 / (step - taken["loader"])}
    assert found.loader_share == pytest.approx(taken["loader"] / step)
    assert found.images == 32
    assert found.pixels == 32 * 16 * 16 * 3
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
