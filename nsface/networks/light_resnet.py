"""A light residual network for small sets of faces, and for training on CPUs.

Residual units of He et al. (CVPR 2016, https://arxiv.org/abs/1512.03385) with ReLU, which costs a CPU much
less than PReLU. The embedding is normalised over the batch without scale or shift: over the training images
every dimension has mean 0 and variance 1, as cosine similarity wants it.
"""

from __future__ import annotations

from torch import Tensor, nn

from nsface.errors import ModelError
from nsface.networks.activations import Choice, make_activation
from nsface.networks.sizes import strided_map


class Unit(nn.Module):
    """Two 3×3 convolutions, the first of stride 2, added to a 1×1 convolution of stride 2."""

    def __init__(self, inputs: int, outputs: int, choice: Choice = "relu") -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.activation1 = make_activation(choice, outputs)
        self.activation2 = make_activation(choice, outputs)
        self.project = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation1(self.bn1(self.conv1(x)))
        y = self.activation2(self.bn2(self.conv2(y)) + self.project(x))
        return y


class LightResNet(nn.Module):
    """A convolution of stride 2, three residual units, each half as large and twice as wide, a linear layer.

    With the default width and 112×96 images: 1.7 M parameters at D = 256 and 33 M multiply-adds.

    Args:
        height, width: size of the images in pixels, at least 16.
        embedding_size: D.
        channels: width of the first convolution; the units have 2, 4 and 8 times as many channels.
        activation: what stands in place of ReLU.

    Shape: images (B, 3, height, width) → embeddings (B, D).

    Raises:
        ModelError: the images are too small, `channels` is below 1, or no such activation.
    """

    def __init__(
        self,
        *,
        height: int,
        width: int,
        embedding_size: int,
        channels: int = 16,
        activation: Choice = "relu",
    ) -> None:
        super().__init__()
        if channels < 1:
            raise ModelError(f"channels is {channels}; give at least 1")
        rows, columns = strided_map(height, width)
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, 2, 1, bias=False),
            nn.BatchNorm2d(channels),
            make_activation(activation, channels),
        )
        self.stages = nn.Sequential(
            *(Unit(channels * factor, 2 * channels * factor, activation) for factor in (1, 2, 4))
        )
        self.fc = nn.Linear(8 * channels * rows * columns, embedding_size, bias=False)
        self.bn = nn.BatchNorm1d(embedding_size, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = self.stages(self.stem(images)).flatten(1)
        x = self.bn(self.fc(x))
        return x
