"""A plain VGG-like network for images of 32×32, of the kind the Noisy Softmax paper trained on CIFAR.

Source: the paper (arXiv 1708.03769) describes its CIFAR networks as VGG-like, but its tables of layers could
not be confirmed, so this is a stand-in of the same family, after the solver files of Large-Margin Softmax
(arXiv 1612.02295): three stages of four 3×3 convolutions and a max-pool, then one fully connected layer;
batch normalisation and ReLU after each, MSRA initialisation, no dropout. No published weights belong to it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from nsface.networks.activations import ActivationChoice, make_activation
from nsface.networks.embedding import EmbeddingLayer
from nsface.networks.initialisation import he_
from nsface.networks.sizes import check_channels, pooled_map
from nsface.networks.vgg_face import stage


class VGGCifar(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, embedding_size), which are never negative with ReLU.

    The last map is 256 × 4 × 4 for images of 32×32 and the default width: 4.8 M parameters with
    D = 512, and 381 M multiply-adds.

    Args:
        height, width: size of the images in pixels, at least 16.
        embedding_size: D, the size of the fully connected layer.
        channels: of the first stage, 1 to 4096; the others have 2 and 4 times as many. 64 is the usual width,
            96 that of the CIFAR-100 networks.
        activation: the activation in place of ReLU.

    Raises:
        ModelError: no such activation, images too small, or `channels` out of its range.
    """

    inputs: ClassVar[int] = 3  # channels that the first convolution reads
    # in each stage, which is twice as wide as the one before, and half as large
    convolutions: ClassVar[tuple[int, ...]] = (4, 4, 4)

    def __init__(
        self,
        *,
        height: int,
        width: int,
        embedding_size: int = 512,
        channels: int = 64,
        activation: ActivationChoice = "relu",
    ) -> None:
        super().__init__()
        check_channels(channels)
        rows, columns = pooled_map(height, width, len(self.convolutions))
        widths = [self.inputs, *(channels * 2**number for number in range(len(self.convolutions)))]
        self.stages = nn.Sequential(
            *(
                stage(*pair, number, activation)
                for pair, number in zip(pairwise(widths), self.convolutions, strict=True)
            )
        )
        self.fc = EmbeddingLayer(widths[-1] * rows * columns, embedding_size, bias=False)
        self.bn = nn.BatchNorm1d(embedding_size)
        self.activation = make_activation(activation, embedding_size)
        he_(self.fc)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.stages(images[:, : self.inputs])
        embeddings: Tensor = self.activation(self.bn(self.fc(torch.flatten(maps, 1))))
        return embeddings
