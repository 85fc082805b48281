"""A plain VGG-like face network, of the kind the Caffe papers of 2016 and 2017 trained.

Source: the networks of the Noisy Softmax paper (arXiv 1708.03769) are VGG-like, but its tables of layers
could not be confirmed, so this is a stand-in of the same family: the ten convolutions of VGG-16 before its
fifth stage (Simonyan and Zisserman, ICLR 2015, arXiv 1409.1556, table 1, column D), batch normalisation and
ReLU after each, MSRA initialisation, and one linear layer for the embedding. No published weights or
figures belong to it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nsface.networks.activations import ActivationChoice, make_activation
from nsface.networks.embedding import EmbeddingLayer
from nsface.networks.initialisation import he_
from nsface.networks.sizes import pooled_map

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3))  # channels and convolutions; a max-pool ends each


class VGGFace(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, embedding_size).

    The last map is 512 × 7 × 6 for images 112 high and 96 wide.

    Args:
        height, width: size of the images in pixels, at least 16.
        embedding_size: D.
        activation: the activation in place of ReLU.

    Raises:
        ModelError: no such activation, or images too small.
    """

    def __init__(
        self, *, height: int, width: int, embedding_size: int = 512, activation: ActivationChoice = "relu"
    ) -> None:
        super().__init__()
        rows, columns = pooled_map(height, width)
        inputs, stages = 3, []
        for channels, convolutions in STAGES:
            stages.append(stage(inputs, channels, convolutions, activation))
            inputs = channels
        self.stages = nn.Sequential(*stages)
        self.fc = EmbeddingLayer(inputs * rows * columns, embedding_size)
        he_(self.fc)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.stages(images)
        embeddings: Tensor = self.fc(torch.flatten(maps, 1))
        return embeddings


class Block(nn.Module):
    """ReLU(BN(conv(x))): (B, inputs, H, W) to (B, channels, H, W)."""

    def __init__(self, inputs: int, channels: int, choice: ActivationChoice = "relu") -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 3, padding=1, bias=False)  # BN's own bias serves
        self.bn = nn.BatchNorm2d(channels)
        self.activation = make_activation(choice, channels)
        he_(self.conv)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.activation(self.bn(self.conv(maps)))
        return maps


def stage(inputs: int, channels: int, convolutions: int, choice: ActivationChoice) -> nn.Sequential:
    """`convolutions` blocks and a max-pool: (B, inputs, H, W) to (B, channels, ⌊H/2⌋, ⌊W/2⌋)."""
    rest = (Block(channels, channels, choice) for _ in range(convolutions - 1))
    return nn.Sequential(Block(inputs, channels, choice), *rest, nn.MaxPool2d(2))
