"""The trainer tells the step to every module that asks for it, whatever that module is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nsface.auxiliary import AUXILIARY, Auxiliary
from nsface.heads import HEADS, Softmax
from nsface.networks import NETWORKS
from nsface.recipe.schema import Recipe
from nsface.training import train

told: list[tuple[str, int, int]] = []
passed: list[tuple[int, int]] = []


class Clock(nn.Module):
    """Passes its input on, and notes what it is told."""

    def __init__(self, owner: str) -> None:
        super().__init__()
        self.owner, self.now = owner, (-1, -1)

    def advance(self, step: int, total: int) -> None:
        told.append((self.owner, step, total))
        self.now = step, total

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            passed.append(self.now)
        return x


class ClockedNetwork(nn.Module):
    def __init__(self, *, height: int, width: int, embedding_size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * height * width, embedding_size))
        self.layers.append(nn.Sequential(Clock("network")))  # however deep it lies

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.layers(images)
        return embeddings


class ClockedHead(Softmax):
    def __init__(self, embedding_size: int, identities: int) -> None:
        super().__init__(embedding_size, identities)
        self.clock = Clock("head")


class ClockedLoss(Auxiliary):
    needs_pairs = False

    def __init__(self, embedding_size: int, identities: int, *, weight: float = 1.0) -> None:
        super().__init__(embedding_size, identities, weight=weight)
        self.clock = Clock("loss")

    def loss(self, features: Tensor, labels: Tensor) -> Tensor:
        return torch.zeros((), device=features.device) * features.sum()


def test_every_module_with_advance_is_told_each_step(
    small: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NETWORKS, "clocked", ClockedNetwork)
    monkeypatch.setitem(HEADS, "clocked", ClockedHead)
    monkeypatch.setitem(AUXILIARY, "clocked", ClockedLoss)
    told.clear()
    passed.clear()
    parts = {"network": {"name": "clocked", "embedding_size": 4}, "head": {"name": "clocked"}}
    train(small(**parts, auxiliary=[{"name": "clocked"}], epochs=2), tmp_path / "run")
    assert sorted(told) == [(owner, step, 10) for owner in ("head", "loss", "network") for step in range(10)]
    assert passed == [(step, 10) for step in range(10)], "before the forward pass of that step"
