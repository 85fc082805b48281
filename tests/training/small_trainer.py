"""Trainers of a tiny network on 24 faces of 16 × 16 pixels, four steps an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nsface.images.batches.augmentation import Augmentation
from nsface.images.batches.loader import Loader
from nsface.images.batches.sampling import Shuffled
from nsface.ranks import ALONE
from nsface.recipe.schema import Recipe
from nsface.training.run import make_trainer
from nsface.training.trainer import Trainer

SETTINGS: dict[str, Any] = {
    "network": {"name": "light-resnet", "embedding_size": 8, "channels": 8},
    "input": {"height": 16, "width": 16},
    "head": {"name": "softmax"},
    "optimizer": {"learning_rate": 0.05},
    "schedule": {"kind": "step", "milestones": [1]},
    "epochs": 3,
    "batch_size": 6,
    "log_every": 2,
    "device": "cpu",
    "precision": "fp32",
}


def small_trainer(images: int = 6, shuffled: bool = False, **changes: Any) -> Trainer:
    """The trainer of such a recipe: `images` of each of four people, with noise.

    With `shuffled` the labels have nothing to do with the images.
    """
    recipe = Recipe.model_validate(SETTINGS | changes)
    draw = np.random.default_rng(0)
    faces = draw.integers(0, 256, (4, 1, 16, 16, 3))
    noise = draw.integers(-50, 50, (4, images, 16, 16, 3))
    pixels = np.clip(faces + noise, 0, 255).astype(np.uint8).reshape(-1, 16, 16, 3)
    labels = np.arange(4).repeat(images)
    if shuffled:
        labels = draw.permutation(labels)
    sampler, device = Shuffled(4 * images, recipe.batch_size, recipe.seed), torch.device("cpu")
    loader = Loader(pixels, labels, sampler, Augmentation(), recipe.seed, device)
    return make_trainer(recipe, 4, loader, device, ALONE)
