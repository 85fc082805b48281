"""Network in Network: 1×1 convolutions after each convolution, and the mean over the map at the end.

Source: Lin, Chen and Yan, Network In Network, ICLR 2014 (arXiv 1312.4400), and the first author's own
network for CIFAR-10 (purine/purine2: examples/nin_cifar10.hpp), which has the sizes that the paper leaves
out. Biases start at 0 and weights by He's rule, because neither the paper nor that file tells the published
ones.

There the classifier is the ninth convolution, of 1×1, before the mean over the map; here the network ends
before it. The mean of a linear map is the linear map of the mean, so that the head `softmax` with
`bias: true` on the mean of the 192 channels is that classifier, with one difference: the author's file has a
ReLU between the ninth convolution and the mean, which makes all logits positive or 0.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from nsface.networks.activations import ActivationChoice, make_activation
from nsface.networks.embedding import GlobalAverage
from nsface.networks.initialisation import he_
from nsface.networks.sizes import check_channels, check_dropout, check_size


class NIN(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, embedding_size).

    Three blocks: a 5×5 convolution and two of 1×1, the same again, a 3×3 convolution and one of 1×1. A
    max-pool of 3×3 with stride 2, which rounds up, and dropout end the first two; the mean over the last map
    is the embedding. For images of 32×32, with D = 192: 1.0 M parameters and 222 M multiply-adds. With
    another D a linear layer follows.

    Args:
        height, width: size of the images in pixels, at least 16.
        embedding_size: D; `channels` in the published form.
        channels: 1 to 4096; the second and third convolutions have 5/6 and 1/2 as many, rounded down.
        dropout: the share of the maps that is dropped in training, in [0, 1).
        activation: the activation in place of ReLU.

    Raises:
        ModelError: no such activation, images too small, or an argument out of its range.
    """

    def __init__(
        self,
        *,
        height: int,
        width: int,
        embedding_size: int = 192,
        channels: int = 192,
        dropout: float = 0.5,
        activation: ActivationChoice = "relu",
    ) -> None:
        super().__init__()
        check_channels(channels)
        check_dropout(dropout)
        check_size(height, width)
        narrow, narrowest = max(1, 5 * channels // 6), max(1, channels // 2)
        self.layers = nn.Sequential(
            *_block(5, [3, channels, narrow, narrowest], activation),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            nn.Dropout(dropout),
            *_block(5, [narrowest, *[channels] * 3], activation),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            nn.Dropout(dropout),
            *_block(3, [channels] * 3, activation),
        )
        self.embedding = GlobalAverage(channels, embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.embedding(self.layers(images))
        return embeddings


def _block(side: int, widths: list[int], choice: ActivationChoice) -> list[nn.Module]:
    """A convolution of `side` × `side` and then 1×1 ones, which keep the size, each with its activation."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        convolution = nn.Conv2d(inputs, outputs, side, padding=side // 2)
        he_(convolution)
        layers += [convolution, make_activation(choice, outputs)]
        side = 1
    return layers
