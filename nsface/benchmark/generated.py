"""A training set that is made up: each identity a pattern of its own, its images that pattern with noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from nsface.seeds import derived_seed

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
