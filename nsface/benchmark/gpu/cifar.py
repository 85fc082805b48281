"""Checks of the paper's table on CIFAR-10: the error of Softmax and of Noisy Softmax, over seeds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsface.benchmark.gpu.arms import ARMS, compare_arms, stored
from nsface.benchmark.gpu.place import CifarScale, Found, Place
from nsface.images.batches.loader import Loader
from nsface.images.pixels import load_pixels
from nsface.images.sources import numbered, open_source
from nsface.ranks import ALONE
from nsface.recipe.schema import Recipe, load_recipe
from nsface.training.data import make_sampler
from nsface.training.run import make_trainer
from nsface.training.trainer import Trainer

SIDE = 32
TEST_BATCH = 1000


@dataclass(frozen=True)
class Training:
    """One training: stores of both halves of the images, the device, arm and seed, with CIFAR-10+ or not."""

    train: Path
    test: Path
    device: str
    scale: CifarScale
    augmented: bool
    arm: str
    seed: int


def cifar10_plus(place: Place, found: Found) -> None:
    """CIFAR-10+: training images are mirrored and shifted by up to 4 pixels; what enters is black."""
    _table(place, found, augmented=True)


def cifar10(place: Place, found: Found) -> None:
    """CIFAR-10: training images as they are."""
    _table(place, found, augmented=False)


def _table(place: Place, found: Found, augmented: bool) -> None:
    assert place.data is not None
    scale, device = place.scale.cifar, place.device.type
    train, test = stored(place, "cifar-train.tar"), stored(place, "cifar-test.tar")
    job = partial(Training, train, test, device, scale, augmented)
    found["data"] = place.data.about
    found["recipe"] = recipe_of(job("softmax", 0)).decisive()
    compare_arms(place, found, train_and_test, job, "test_error", scale.seeds, scale.processes)


def recipe_of(job: Training) -> Recipe:
    """What is trained: nsface's recipe for the table, for every arm the same but the head."""
    scale = job.scale
    head = {f"head.{key}": value for key, value in {**ARMS[job.arm], "bias": True}.items()}
    own = {
        "network.channels": scale.channels,
        "iterations": scale.steps,
        "batch_size": scale.batch,
        "seed": job.seed,
        "device": job.device,
        "log_every": max(1, scale.steps // 4),
    }
    return load_recipe("cifar10-plus" if job.augmented else "cifar10", {**head, **own})


def train_and_test(job: Training) -> Found:
    """Train, and classify the test images by the logits of the head."""
    recipe, device = recipe_of(job), torch.device(job.device)
    pixels, labels, classes = _images(job.train)
    test_pixels, test_labels, test_classes = _images(job.test)
    if classes != test_classes:
        raise ValueError("other classes in the test images than in the training images")
    loader = Loader(pixels, labels, make_sampler(recipe, labels), recipe.augmentation, recipe.seed, device)
    trainer = make_trainer(recipe, len(classes), loader, device, ALONE)
    start = time.perf_counter()
    lines = [line for line in trainer.run() if line is not None]
    seconds = time.perf_counter() - start
    return {
        "test_error": error_rate(trainer, test_pixels, test_labels),
        "loss": lines[-1]["loss"],
        "training_error": 1 - lines[-1]["accuracy"],
        "seconds": seconds,
        "images_per_second": lines[-1]["images_per_second"],
    }


@torch.no_grad()
def error_rate(trainer: Trainer, pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> float:
    """The share of images for which another class has a logit as large as their own.

    Args:
        pixels: uint8, N × H × W × 3.
        labels: of shape (N,).
    """
    trainer.network.eval()
    trainer.head.eval()
    right = torch.zeros((), dtype=torch.int64, device=trainer.device)
    for start in range(0, len(labels), TEST_BATCH):
        images: Tensor = torch.from_numpy(pixels[start : start + TEST_BATCH]).to(trainer.device)
        features = trainer.take_step.features(images.permute(0, 3, 1, 2).float())
        own = torch.from_numpy(labels[start : start + TEST_BATCH]).to(trainer.device)
        right += trainer.head(features, own).correct.sum()
    return 1 - int(right) / len(labels)


@lru_cache(maxsize=2)  # a process trains with the same images again
def _images(store: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], list[str]]:
    source = open_source(str(store))
    labels, classes = numbered(source.identities)
    pixels = load_pixels(source, range(len(source)), SIDE, SIDE)
    return np.asarray(pixels), labels, classes
