"""The mean of the training images, pixel by pixel, which a network subtracts from every image."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MeanImage(nn.Module):
    """x − M, for x and M of shape (3, H, W), normalised pixels; M is 0 until the training sets it.

    It is the part `mean` of a network, and so of the model file: everything that uses the network subtracts
    it.

    Args:
        height, width: of the images.
    """

    image: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.register_buffer("image", torch.zeros(3, height, width))

    def forward(self, images: Tensor) -> Tensor:
        return images - self.image


def subtract_mean_image(network: nn.Module, height: int, width: int) -> None:
    """Let `network` subtract a mean image, M = 0 at first, from every batch before anything else.

    The names of its other weights stay, so that models with and without a mean image differ in `mean.image`
    alone.

    Args:
        network: any that maps images (B, 3, H, W); it is changed.
        height, width: of the images.
    """
    network.add_module("mean", MeanImage(height, width))
    network.register_forward_pre_hook(_without_mean)


def _without_mean(network: nn.Module, arguments: tuple[Tensor]) -> Tensor:
    images: Tensor = network.get_submodule("mean")(*arguments)
    return images
