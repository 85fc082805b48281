"""A training step only queues work for its device: it neither reads results back nor sends data of its own.

Such an operation would make the host wait on a GPU at every step. Here the steps run on the CPU, and the
operations themselves are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from nsface.auxiliary import AUXILIARY
from nsface.heads import HEADS, other_identities
from nsface.images.batches.augmentation import Augmentation, augment
from nsface.images.batches.loader import Loader
from nsface.images.batches.sampling import Shuffled
from nsface.recipe.schema import Recipe
from nsface.training.build import build_auxiliary, build_head
from nsface.training.trainer import Trainer

IDENTITIES, BATCH = 7, 8
# the first reads a number, `lift_fresh` makes a tensor of Python's numbers; the shapes that the others give
# depend on the data
WAITING = {
    "aten._local_scalar_dense", "aten.is_nonzero", "aten.equal", "aten.nonzero", "aten.masked_select",
    "aten._unique2", "aten.unique_dim", "aten.unique_consecutive", "aten.bincount", "aten.lift_fresh",
}  # fmt: skip


class Waits(TorchDispatchMode):
    """Notes operations that a host has to wait for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = str(func.overloadpacket)
        places = args[1] if name in ("aten.index", "aten.index_put", "aten.index_put_") else []
        masked = any(place is not None and place.dtype == torch.bool for place in places)
        if name in WAITING or masked or (name == "aten.repeat_interleave" and len(args) == 1):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


class Batches:
    """The same batch again and again, where the trainer expects a loader."""

    batches_per_epoch = 4
    labels = torch.tensor([0, 0, 1, 1, 2, 3, 3, 6])

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        images = torch.randn(BATCH, 3, 32, 32) * 50 + 127
        for _ in range(first, self.batches_per_epoch):
            yield images, self.labels


def waits(**settings: Any) -> list[str]:
    """What is waited for in three steps of a training, none of which is logged."""
    recipe = Recipe.model_validate(
        {
            "network": {"name": "light-resnet", "embedding_size": 4, "channels": 8, "dropout": 0.2},
            "head": {"name": "softmax"},
            "input": {"height": 32, "width": 32},
            "optimizer": {"clip_norm": 1.0},
            "epochs": 1,
            "device": "cpu",
        }
        | settings
    )
    network, head = recipe.network.build(recipe.input), build_head(recipe, IDENTITIES)
    trainer = Trainer(
        recipe, network, head, build_auxiliary(recipe, IDENTITIES), Batches(),  # type: ignore[arg-type]
        torch.device("cpu"), torch.float32,
    )  # fmt: skip
    steps = trainer.run()
    next(steps)  # what is made once may wait
    mode: Waits
    with Waits() as mode:
        next(steps), next(steps)
    return mode.found


@pytest.mark.parametrize("blocked", [False, True])
@pytest.mark.parametrize("name", HEADS)
def test_no_head_waits(name: str, blocked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if blocked:
        monkeypatch.setattr(other_identities, "PLAIN_LIMIT", 0)
        monkeypatch.setattr(other_identities, "BLOCK", {"cpu": BATCH * 3})
    assert waits(head={"name": name}) == []


@pytest.mark.parametrize("name", AUXILIARY)
def test_no_auxiliary_loss_waits(name: str) -> None:
    sampler = {"identities": 4, "images": 2}
    assert waits(auxiliary=[{"name": name}], sampler=sampler) == []


def test_no_activation_waits() -> None:
    activation = {"name": "nanis-tanh", "c_start": 0.5}
    network = {"name": "light-resnet", "embedding_size": 4, "channels": 8, "activation": activation}
    assert waits(network=network) == []


def test_no_augmentation_waits() -> None:
    everything = Augmentation(
        shift=2, rotation=10, zoom=0.1, brightness=0.2, contrast=0.2, grey=0.5, blur=1, jpeg=50, erase=0.4
    )
    images = torch.randint(256, (3, 32, 48, 3), dtype=torch.uint8)
    generator = torch.Generator()
    augment(images, everything, generator)
    mode: Waits
    with Waits() as mode:
        augment(images, everything, generator)
    assert mode.found == []


class Sent(TorchFunctionMode):
    """Notes for each tensor that is sent to a device whether the host may go on meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[bool] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func is Tensor.to and any(isinstance(argument, torch.device) for argument in args):
            self.waited.append(not (kwargs or {}).get("non_blocking", False))
        return func(*args, **(kwargs or {}))


def test_no_batch_of_pixels_waits() -> None:
    pixels = np.zeros((6, 16, 16, 3), np.uint8)
    labels = np.arange(6)
    loader = Loader(pixels, labels, Shuffled(6, 2, 0), Augmentation(), 0, torch.device("cpu"))
    with Sent() as mode:
        assert len(list(loader.epoch(0))) == 3
    assert mode.waited == [False] * 6, "places of the pixels, and of the labels"


def test_waiting_is_seen() -> None:
    mode: Waits
    with Waits() as mode:
        values = torch.tensor([1.0, 2.0])
        float(values[0]), values[values > 1], values.new_tensor([1.0])
    assert mode.found == ["aten.lift_fresh", "aten._local_scalar_dense", "aten.index", "aten.lift_fresh"]
