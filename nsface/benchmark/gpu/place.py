"""Where a check works and how much it does, the faces that it trains with, and how results are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import torch
from torch import Tensor

from nsface.benchmark.gpu.data import Data
from nsface.images.sources import open_source
from nsface.images.store.packing import pack
from nsface.networks import NETWORKS
from nsface.recipe.schema import Recipe

Found = dict[str, Any]


@dataclass(frozen=True)
class SpeedScale:
    """How much is done where time is measured.

    Attributes:
        identities, images: of the trainings; None: as `nsface.benchmark.speed.Setting` says.
        batches: sizes, the most telling first.
        seconds: that each speed is measured for.
        steps, steps_batch: whose losses are compared, and the images of each.
        classifiers: numbers of identities of the classifiers that are measured alone.
        changes: of the recipes.
    """

    identities: int = 10_572
    images: int | None = None
    batches: tuple[int, ...] = (512, 256, 1024)
    seconds: float = 5.0
    steps: int = 200
    steps_batch: int = 128
    classifiers: tuple[int, ...] = (10_000, 100_000, 1_000_000, 4_000_000)
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TableScale:
    """The trainings of a table of `nsface reproduce`.

    Attributes:
        seeds: how many at most.
        seeds_of_round: that are trained and tested before the next ones are begun.
        processes: trainings at once: all of a round.
        arms: None: those of the table.
        changes: of the recipe.
    """

    seeds: int
    seeds_of_round: int
    processes: int
    arms: tuple[str, ...] | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FastScale:
    """Trainings whose time to an accuracy is measured.

    Attributes:
        identities, per_identity: of the rendered set, as CASIA-WebFace has them, if the time is enough.
        probe: identities that are rendered to measure how fast that is.
        rendering_share: of the time, which is spent on rendering.
        held_out, held_out_real: identities of the rendered and of the real set that are validated on.
        epochs: of the trainings on the real set.
        changes: of the recipe.
    """

    identities: int = 10_572
    per_identity: int = 46
    probe: int = 64
    rendering_share: float = 0.35
    held_out: int = 500
    held_out_real: int = 150
    epochs: tuple[int, ...] = (10, 60)
    changes: Mapping[str, Any] = field(default_factory=dict)


_CIFAR_ARMS = (
    "softmax", "noisy-0.1", "noisy-0.5", "noisy-0.05", "noisy-1", "free", "disturb-label",
    "gradient-decay-0.1",
)  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Attributes:
        networks: that are compared with float64, at the size of `images`.
        compiled: networks that are compiled, at the size of `faces`.
        faces, identities, per_identity, batch: of the training sets.
        classes: identities, embedding size and batch of the large classifier.
    """

    networks: tuple[str, ...] = tuple(NETWORKS)
    compiled: tuple[str, ...] = ("sphereface-20", "iresnet-18")
    images: tuple[int, int] = (49, 47)
    faces: tuple[int, int] = (112, 96)
    identities: int = 32
    per_identity: int = 32
    batch: int = 64
    classes: tuple[int, int, int] = (1_000_000, 512, 512)
    speed: SpeedScale = SpeedScale()
    cifar: TableScale = TableScale(5, 1, 8, _CIFAR_ARMS)
    faces_table: TableScale = TableScale(10, 2, 10)
    fast: FastScale = FastScale()


_SMALL_RECIPE = {
    "network.name": "light-resnet",
    "network.embedding_size": 8,
    "network.channels": 16,
    "input.height": 24,
    "input.width": 16,
}
_SMALL_TRAINING = {"network.channels": 2, "network.embedding_size": 8, "batch_size": 8}
_TWO_ARMS = ("softmax", "noisy-1")
_TWO_EPOCHS = {"schedule.warmup": 0, "epochs": 2, "optimizer.learning_rate": 0.01}
SMALL = Scale(
    networks=("light-resnet", "sphereface-4", "ir-18"),
    compiled=("sphereface-4",),
    images=(17, 21),
    faces=(24, 16),
    identities=4,
    per_identity=8,
    batch=8,
    classes=(1000, 16, 8),
    speed=SpeedScale(20, 64, (8, 4), 0.05, 4, 4, (50, 1000), _SMALL_RECIPE),
    cifar=TableScale(1, 1, 1, _TWO_ARMS, {**_SMALL_TRAINING, "iterations": 4}),
    faces_table=TableScale(1, 1, 1, _TWO_ARMS, {**_SMALL_TRAINING, "epochs": 1}),
    fast=FastScale(8, 4, 8, 0.1, 4, 4, (2,), {**_SMALL_TRAINING, **_TWO_EPOCHS}),
)


@dataclass(frozen=True)
class Place:
    """Where a check works.

    Attributes:
        device: that it checks.
        scale: how much it does.
        folder: for its files; it is removed afterwards.
        out: the folder of the records.
        data: the real images, if there are any.
        seconds: that it has.
        save: writes what it has found so far.
    """

    device: torch.device
    scale: Scale
    folder: Path
    out: Path
    data: Data | None = None
    seconds: float = 60.0
    save: Callable[[], object] = lambda: None

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"


def compared(found: Found, exact: dict[str, list[Tensor]], tolerances: Mapping[str, float]) -> Found:
    """Relative L2 errors of the tensors of `found` by name; and an error where one is above its tolerance."""
    result: Found = {}
    for name, tensors in exact.items():
        pairs = [
            (mine.detach().cpu().double(), right.detach())
            for mine, right in zip(found[name], tensors, strict=True)
        ]
        off = sum(float((mine - right).square().sum()) for mine, right in pairs)
        result[name] = (off / sum(float(right.square().sum()) for _, right in pairs)) ** 0.5
    if wrong := [name for name, off in result.items() if not off <= tolerances[name]]:
        result["error"] = f"{', '.join(wrong)}: above the tolerance of {[tolerances[name] for name in wrong]}"
    return result


def faces(place: Place) -> Path:
    """A training set to be learned: each identity a pattern of its own, its images that with noise."""
    folder = place.folder / "faces"
    height, width = place.scale.faces
    draws = np.random.default_rng(0)
    for identity in range(place.scale.identities):
        (folder / f"{identity:03d}").mkdir(parents=True)
        pattern = cv2.resize(draws.uniform(0, 255, (4, 4, 3)), (width, height))
        for image in range(place.scale.per_identity):
            noisy = (pattern + draws.normal(0, 20, pattern.shape)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"{identity:03d}" / f"{image:03d}.png"), noisy)
    return folder


def forms(place: Place) -> dict[str, Found]:
    """The forms that training data come in, each with what a recipe says for it."""
    folder = faces(place)
    for store, encoded in (("pixels", False), ("encoded", True)):
        pack(open_source(str(folder)), place.folder / store, encoded=encoded)
    return {
        "in device memory": {"data": str(folder)},
        "in host memory": {"data": str(folder)},
        "cache": {"data": str(folder), "cache": str(place.folder / "cache")},
        "packed pixels": {"data": str(place.folder / "pixels")},
        "streamed": {"data": str(place.folder / "encoded"), "streaming": 2},
    }


def recipe(place: Place, **changes: Any) -> Recipe:
    height, width = place.scale.faces
    augmentation = {"shift": 2, "rotation": 5.0, "brightness": 0.1, "grey": 0.1, "blur": 0.5, "erase": 0.2}
    settings = {
        "network": {"name": "light-resnet", "embedding_size": 32, "channels": 8},
        "head": {"name": "noisy-softmax", "alpha2": 0.1},
        "input": {"height": height, "width": width},
        "augmentation": augmentation,
        "optimizer": {"learning_rate": 0.05, "clip_norm": 5.0},
        "epochs": 4,
        "batch_size": place.scale.batch,
        "log_every": 4,
        "device": place.device.type,
    }
    return Recipe.model_validate(settings | changes)


def placed(form: str, place: Place) -> Any:
    """While entered, pixels stay in host memory where `form` says so: the device seems to be full."""
    if not place.cuda or form != "in host memory":
        return nullcontext()
    return mock.patch("torch.cuda.mem_get_info", return_value=(0, 0))
