"""A maxout network: every unit is the largest of several linear ones.

Source: Goodfellow, Warde-Farley, Mirza, Courville and Bengio, Maxout Networks, ICML 2013 (arXiv 1302.4389),
section 5.2: for CIFAR-10 three convolutional maxout layers, a fully connected one, dropout everywhere. The
paper does not print the sizes; they are those of the authors' configuration (lisa-lab/pylearn2:
scripts/papers/maxout/cifar10.yaml), whose pools round up.

What belongs to the published training and not to the network is not here: global contrast normalisation and
ZCA whitening of the images, bounds on the norms of filters, learning rates of a twentieth for the
convolutions. Without those bounds and rates the published initialisation, uniform in ±0.005, would hardly
start: here the variance of a weight is 1 / fan-in, which keeps the mean square through a maximum of two.
"""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn

from nsface.networks.embedding import EmbeddingLayer
from nsface.networks.initialisation import caffe_xavier_
from nsface.networks.sizes import check_channels, check_dropout, check_size

PIECES = 2  # linear units in a unit of the convolutions
EMBEDDING_PIECES = 5  # and in one of the fully connected layer
# kernel and padding of a convolution, and kernel of the max-pool of stride 2 behind it
LAYERS = ((8, 4, 4), (8, 3, 4), (5, 3, 2))


class Maxout(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, embedding_size).

    The last map is 192 × 5 × 5 for images of 32×32 and the default width. With D = 500: 16.2 M parameters
    and 732 M multiply-adds.

    Args:
        height, width: size of the images in pixels, at least 16.
        embedding_size: D, 500 in the published network.
        channels: of the first layer, 1 to 4096; the other two have twice as many.
        dropout: the share of the inputs of each layer after the first, and of the classifier, that is dropped
            in training, in [0, 1): embeddings in training have zeros.
        input_dropout: the share of the pixels' channels that is dropped in training, in [0, 1).

    Raises:
        ModelError: images too small, or an argument out of its range.
    """

    def __init__(
        self,
        *,
        height: int,
        width: int,
        embedding_size: int = 500,
        channels: int = 96,
        dropout: float = 0.5,
        input_dropout: float = 0.2,
    ) -> None:
        super().__init__()
        check_channels(channels)
        check_dropout(dropout)
        check_dropout(input_dropout, "input_dropout")
        check_size(height, width)
        inputs, outputs = [3, channels, 2 * channels], [channels, 2 * channels, 2 * channels]
        shares = [input_dropout, dropout, dropout]
        self.layers = nn.Sequential(*map(Layer, inputs, outputs, LAYERS, shares))
        rows, columns = (map_side(side) for side in (height, width))
        self.dropout = nn.Dropout(dropout)
        self.fc = EmbeddingLayer(outputs[-1] * rows * columns, EMBEDDING_PIECES * embedding_size)
        caffe_xavier_(self.fc)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.dropout(torch.flatten(self.layers(images), 1))
        embeddings: Tensor = self.dropout(maxout(self.fc(maps), EMBEDDING_PIECES))
        return embeddings


class Layer(nn.Module):
    """Dropout, a convolution, the maximum over its pieces, a max-pool: (B, inputs, H, W) to (B, outputs, …).

    Args:
        inputs, outputs: channels.
        sizes: kernel and padding of the convolution, and kernel of the max-pool.
        dropout: the share of the inputs that is dropped.
    """

    def __init__(self, inputs: int, outputs: int, sizes: tuple[int, int, int], dropout: float) -> None:
        super().__init__()
        side, padding, pool = sizes
        self.dropout = nn.Dropout(dropout)
        self.conv = nn.Conv2d(inputs, PIECES * outputs, side, padding=padding)
        self.pool = nn.MaxPool2d(pool, stride=2, ceil_mode=True)
        caffe_xavier_(self.conv)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.pool(maxout(self.conv(self.dropout(maps)), PIECES))
        return maps


def maxout(x: Tensor, pieces: int) -> Tensor:
    """The largest of `pieces` numbers: (B, pieces · C, …) to (B, C, …); unit c has c, c + C, c + 2C, …"""
    return reduce(torch.maximum, x.chunk(pieces, dim=1))


def map_side(side: int) -> int:
    """Height or width of the last map of images of this height or width."""
    for kernel, padding, pool in LAYERS:
        side += 2 * padding - kernel + 1
        side = -(-(side - pool) // 2) + 1
    return side
