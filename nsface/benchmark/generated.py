"""A training set that is made up: each identity a pattern of its own, its images that pattern with noise."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from nsface.images.batches.loader import Loader
from nsface.recipe.schema import Recipe
from nsface.seeds import derived_seed
from nsface.training.data import make_sampler

AnyLoader = TypeVar("AnyLoader", bound=Loader)
CASIA_IMAGES, CASIA_IDENTITIES = 490_623, 10_572
CPU_IMAGES = 4096  # as many as no cache holds
CELLS = 4  # a pattern is so many random colours in height and width, with smooth changes between them
NOISE = 20.0  # its standard deviation, of 255
_BLOCK = 1024  # images that are made at a time


def generated_labels(images: int, identities: int, seed: int) -> npt.NDArray[np.int64]:
    """The identity of each image, int64 in [0, `identities`), of shape (images,), drawn at random."""
    return np.random.default_rng(derived_seed(seed, "labels", 0)).integers(identities, size=images)


def generated_pixels(
    labels: npt.NDArray[np.int64], height: int, width: int, device: torch.device, seed: int
) -> Tensor:
    """The images, uint8, N × H × W × 3, on `device`.

    Args:
        labels: the identity of each image, of shape (N,).
    """
    generator = torch.Generator(device).manual_seed(derived_seed(seed, "pixels", 0))
    identities = int(labels.max()) + 1
    patterns = 255 * torch.rand((identities, 3, CELLS, CELLS), generator=generator, device=device)
    there = torch.from_numpy(labels).to(device)
    pixels = torch.empty((len(labels), height, width, 3), dtype=torch.uint8, device=device)
    for start in range(0, len(labels), _BLOCK):
        rows = there[start : start + _BLOCK]
        block = F.interpolate(patterns[rows], size=(height, width), mode="bilinear")
        block += NOISE * torch.randn(block.shape, generator=generator, device=device)
        pixels[start : start + _BLOCK] = block.clamp_(0, 255).permute(0, 2, 3, 1).to(torch.uint8)
    return pixels


def generated_loader(
    kind: type[AnyLoader], recipe: Recipe, identities: int, images: int, device: torch.device
) -> AnyLoader:
    """A loader of so many generated images, all on `device`, with the batches that `recipe` describes."""
    labels = generated_labels(images, identities, recipe.seed)
    pixels = generated_pixels(labels, recipe.input.height, recipe.input.width, device, recipe.seed)
    return kind(pixels, labels, make_sampler(recipe, labels), recipe.augmentation, recipe.seed, device)


def default_images(recipe: Recipe, device: torch.device) -> int:
    """The number of images where none is given, at least a batch.

    It is that of CASIA-WebFace, if they fit into half of the free memory of a CUDA device, else as many as
    do; on a CPU 4096.
    """
    if device.type != "cuda":
        return max(CPU_IMAGES, recipe.batch_size)
    fitting = torch.cuda.mem_get_info(device)[0] // 2 // (recipe.input.height * recipe.input.width * 3)
    return max(min(CASIA_IMAGES, fitting), recipe.batch_size)
