"""The mean of the training images, pixel by pixel, which a network subtracts from every image."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MeanImage(nn.Module):
    """x − M, for x and M of shape (3, H, W), normalised pixels; M is 0 until the training sets it.

    It is part of the network, and so of the model file: everything that uses the network subtracts it.

    Args:
        height, width: of the images.
    """

    image: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.register_buffer("image", torch.zeros(3, height, width))

    def forward(self, images: Tensor) -> Tensor:
        return images - self.image
