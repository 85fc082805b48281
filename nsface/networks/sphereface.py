"""SphereFace-4/10/20/36/64: residual networks of PReLU and no batch normalisation.

Source: Liu et al., SphereFace, CVPR 2017 (arXiv 1704.08063), table 2, and the authors' Caffe networks
(wy1iu/sphereface: sphereface_model.prototxt, sphereface_64_model.prototxt, make_spherenet.py).

The published residual convolutions carry a bias that starts at 0 and has learning rate 0: it never moves,
so it is left out here. Counts made from the Caffe files include it (SphereFace-20: 3,712 more).
"""

from __future__ import annotations

from itertools import repeat

import torch
from torch import Tensor, nn

from nsface.errors import ModelError
from nsface.networks.activations import ActivationChoice, make_activation
from nsface.networks.embedding import EmbeddingLayer
from nsface.networks.initialisation import caffe_xavier_
from nsface.networks.sizes import strided_map

CHANNELS = (64, 128, 256, 512)
UNITS = {  # residual units in each of the four stages; the depth counts convolutions
    4: (0, 0, 0, 0),
    10: (0, 1, 2, 0),
    20: (1, 2, 4, 1),
    36: (2, 4, 8, 2),
    64: (3, 8, 16, 3),
}


class SphereFace(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, embedding_size); 112 high and 96 wide in the paper.

    Each stage opens with a convolution of stride 2, then come its residual units; one linear layer reads the
    last map (512 × 7 × 6 for 112×96).

    Args:
        height, width: size of the images in pixels, at least 16.
        embedding_size: D, 512 in the published networks.
        depth: 4, 10, 20, 36 or 64.
        activation: the activation after each convolution; PReLU in the paper.

    Raises:
        ModelError: no such depth or activation, or images too small.
    """

    def __init__(
        self,
        *,
        height: int,
        width: int,
        embedding_size: int = 512,
        depth: int,
        activation: ActivationChoice = "prelu",
    ) -> None:
        super().__init__()
        if depth not in UNITS:
            raise ModelError(f"no SphereFace of depth {depth}; give one of {', '.join(map(str, UNITS))}")
        rows, columns = strided_map(height, width)
        inputs = (3, *CHANNELS[:-1])
        self.stages = nn.Sequential(*map(Stage, inputs, CHANNELS, UNITS[depth], repeat(activation)))
        self.fc = EmbeddingLayer(CHANNELS[-1] * rows * columns, embedding_size)
        caffe_xavier_(self.fc)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.stages(images)
        embeddings: Tensor = self.fc(torch.flatten(maps, 1))
        return embeddings


class Stage(nn.Module):
    """(B, inputs, H, W) to (B, channels, ⌈H/2⌉, ⌈W/2⌉): a convolution of stride 2, PReLU, residual units."""

    def __init__(self, inputs: int, channels: int, units: int, choice: ActivationChoice = "prelu") -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 3, stride=2, padding=1)
        self.prelu = make_activation(choice, channels)
        self.units = nn.Sequential(*(Unit(channels, choice) for _ in range(units)))
        caffe_xavier_(self.conv)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.units(self.prelu(self.conv(maps)))
        return maps


class Unit(nn.Module):
    """x + PReLU(conv(PReLU(conv(x)))), (B, C, H, W) to the same; nothing follows the sum."""

    def __init__(self, channels: int, choice: ActivationChoice = "prelu") -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.prelu1 = make_activation(choice, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.prelu2 = make_activation(choice, channels)
        for conv in (self.conv1, self.conv2):  # so small that a unit starts close to the identity
            nn.init.normal_(conv.weight, std=0.01)

    def forward(self, maps: Tensor) -> Tensor:
        change: Tensor = self.prelu2(self.conv2(self.prelu1(self.conv1(maps))))
        return maps + change
