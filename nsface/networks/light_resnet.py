"""A light residual network for small sets of faces, and for training on CPUs.

Residual units of He et al. (CVPR 2016, https://arxiv.org/abs/1512.03385) with ReLU, which costs a CPU much
less than PReLU. The embedding is normalised over the batch without scale or shift: over the training images
every dimension has mean 0 and variance 1, which suits cosine similarity.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from nsface.errors import ModelError
from nsface.networks.activations import ActivationChoice, make_activation
from nsface.networks.embedding import EmbeddingLayer
from nsface.networks.shortcut import SubsampledConv2d
from nsface.networks.sizes import check_channels, check_dropout, strided_map

MOST_EXTRA_UNITS = 256  # far beyond what can be trained


class Unit(nn.Module):
    """Two 3×3 convolutions, the first of stride 2, added to a 1×1 convolution of stride 2.

    With as many outputs as inputs the strides are 1, and the input itself is added.

    Args:
        inputs, outputs: channels.
        choice: the activation, after the first convolution and after the sum.
        project: what the input passes through before it is added where the stride is 2, in place of the 1×1
            convolution and its batch normalisation.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        choice: ActivationChoice = "relu",
        project: nn.Module | None = None,
    ) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.activation1 = make_activation(choice, outputs)
        self.activation2 = make_activation(choice, outputs)
        self.project: nn.Module = nn.Identity()
        if stride == 2 and project is not None:
            self.project = project
        elif stride == 2:
            self.project = nn.Sequential(SubsampledConv2d(inputs, outputs), nn.BatchNorm2d(outputs))
        else:
            nn.init.zeros_(self.bn2.weight)  # begins as the identity (https://arxiv.org/abs/1706.02677)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation1(self.bn1(self.conv1(x)))
        y = self.activation2(self.bn2(self.conv2(y)) + self.project(x))
        return y


class LightResNet(nn.Module):
    """A convolution of stride 2, three residual units, each half as large and twice as wide, a linear layer.

    With the default width and 112×96 images: 1.7 M parameters at D = 256 and 31 M multiply-adds.

    Args:
        height, width: size of the images in pixels, at least 16.
        embedding_size: D.
        channels: width of the first convolution, 1 to 4096; the units have 2, 4 and 8 times as many channels.
        extra_units: units of stride 1, 0 to 256, after the second and after the third unit, where they cost
            least.
        dropout: before the linear layer, in [0, 1).
        activation: the activation in place of ReLU.

    Shape: images (B, 3, height, width) → embeddings (B, D).

    Raises:
        ModelError: the images are too small, an argument is out of its range, or no such activation.
    """

    def __init__(
        self,
        *,
        height: int,
        width: int,
        embedding_size: int,
        channels: int = 16,
        extra_units: int = 0,
        dropout: float = 0.0,
        activation: ActivationChoice = "relu",
    ) -> None:
        super().__init__()
        check_channels(channels)
        if not 0 <= extra_units <= MOST_EXTRA_UNITS:
            raise ModelError(f"extra_units is {extra_units}; give 0 to {MOST_EXTRA_UNITS}")
        check_dropout(dropout)
        rows, columns = strided_map(height, width)
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, 2, 1, bias=False),
            nn.BatchNorm2d(channels),
            make_activation(activation, channels),
        )
        widths = [
            channels,
            2 * channels,
            *[4 * channels] * (1 + extra_units),
            *[8 * channels] * (1 + extra_units),
        ]
        self.stages = nn.Sequential(*(Unit(*pair, activation) for pair in pairwise(widths)))
        self.dropout = nn.Dropout(dropout)
        self.fc = EmbeddingLayer(8 * channels * rows * columns, embedding_size, bias=False)
        self.bn = nn.BatchNorm1d(embedding_size, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = self.stages(self.stem(images)).flatten(1)
        x = self.bn(self.fc(self.dropout(x)))
        return x
