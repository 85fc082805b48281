"""The Lightened CNN with max-feature-maps: of every two channels the larger goes on.

Source: Wu, He, Sun and Tan, A Light CNN for Deep Face Representation with Noisy Labels, IEEE TIFS 2018
(arXiv 1511.02683, whose earlier versions are called A Lightened CNN for Deep Face Representation), network B
of nine convolutions, and the authors' files (AlfredXiangWu/face_verification_experiment:
LightenedCNN_B_deploy.prototxt; AlfredXiangWu/LightCNN: light_cnn.py). Weights start by Caffe's "xavier" and
biases at 0.1, as in the first of these.

The published network reads grey images of 128×128; here the first convolution reads three channels (4,800
weights more), and images may have another size. Published weights therefore do not fit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nsface.networks.embedding import EmbeddingLayer
from nsface.networks.initialisation import caffe_xavier_
from nsface.networks.maxout import maxout
from nsface.networks.sizes import check_channels, check_dropout, strided_map

PIECES = 2
BIAS = 0.1  # at first


class LightenedCNN(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, embedding_size); 128×128 in the paper.

    A 5×5 convolution, four pairs of a 1×1 and a 3×3 convolution, four max-pools, which round up, and a
    fully connected layer, each convolution and the layer with a max-feature-map behind it. The last map is
    128 × 8 × 8 for images of 128×128 and the default width. With D = 256: 5.5 M parameters and 1,055 M
    multiply-adds.

    Args:
        height, width: size of the images in pixels, at least 16.
        embedding_size: D, 256 in the published network.
        channels: of the first map, 1 to 4096; the others have 2, 4, 8/3 and 8/3 times as many.
        dropout: the share of the embedding that is dropped in training, in [0, 1).

    Raises:
        ModelError: images too small, or an argument out of its range.
    """

    def __init__(
        self,
        *,
        height: int,
        width: int,
        embedding_size: int = 256,
        channels: int = 48,
        dropout: float = 0.75,
    ) -> None:
        super().__init__()
        check_channels(channels)
        check_dropout(dropout)
        rows, columns = strided_map(height, width)  # of the pools: each halves n to ⌈n/2⌉ too
        last = 8 * channels // 3
        self.layers = nn.Sequential(
            MaxFeatureMap(3, channels, 5),
            _pool(),
            *_pair(channels, 2 * channels),
            _pool(),
            *_pair(2 * channels, 4 * channels),
            _pool(),
            *_pair(4 * channels, last),
            *_pair(last, last),
            _pool(),
        )
        self.fc = EmbeddingLayer(last * rows * columns, PIECES * embedding_size)
        self.dropout = nn.Dropout(dropout)
        caffe_xavier_(self.fc, BIAS)

    def forward(self, images: Tensor) -> Tensor:
        flat = torch.flatten(self.layers(images), 1)
        embeddings: Tensor = self.dropout(maxout(self.fc(flat), PIECES))
        return embeddings


class MaxFeatureMap(nn.Module):
    """A convolution of twice as many channels, and of each two the larger: (B, inputs, H, W) to (B, C, H, W).

    Args:
        inputs, channels: channels, C of the output.
        side: of the kernel, an odd number.
    """

    def __init__(self, inputs: int, channels: int, side: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, PIECES * channels, side, padding=side // 2)
        caffe_xavier_(self.conv, BIAS)

    def forward(self, maps: Tensor) -> Tensor:
        return maxout(self.conv(maps), PIECES)


def _pair(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module]:
    return MaxFeatureMap(inputs, inputs, 1), MaxFeatureMap(inputs, outputs, 3)


def _pool() -> nn.Module:
    return nn.MaxPool2d(2, ceil_mode=True)
