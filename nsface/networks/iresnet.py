"""iResNet-18/34/50/100: the "improved" residual networks of ArcFace and most work since.

Source: Deng et al., ArcFace, CVPR 2019 (arXiv 1801.07698), section 3.1, and InsightFace's PyTorch networks
(deepinsight/insightface: recognition/arcface_torch/backbones/iresnet.py). Parameter names are InsightFace's,
so weights published for those networks fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import repeat

import torch
from torch import Tensor, nn

from nsface.errors import ModelError
from nsface.networks.activations import ActivationChoice, make_activation
from nsface.networks.embedding import EmbeddingLayer
from nsface.networks.shortcut import SubsampledConv2d
from nsface.networks.sizes import check_dropout, strided_map

CHANNELS = (64, 128, 256, 512)
BLOCKS = {  # residual blocks in each of the four stages
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 14, 3),
    100: (3, 13, 30, 3),
}


def check_arguments(kind: str, blocks: Mapping[int, tuple[int, ...]], depth: int, dropout: float) -> None:
    """Refuse a depth that is not in `blocks`, and a share of dropout out of its range.

    Raises:
        ModelError: there is one.
    """
    if depth not in blocks:
        raise ModelError(f"no {kind} of depth {depth}; give one of {', '.join(map(str, blocks))}")
    check_dropout(dropout)


class IResNet(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, embedding_size); 112×112 in the papers.

    The stem keeps the full size; each of the four stages halves it in its first block. Batch normalisation,
    dropout, a linear layer and a last batch normalisation, of scale fixed at 1, turn the last map
    (512 × 7 × 7 for 112×112) into the embedding.

    Args:
        height, width: size of the images in pixels, at least 16.
        embedding_size: D, 512 in the published networks.
        depth: 18, 34, 50 or 100.
        dropout: the share of the last map that is dropped in training, in [0, 1).
        activation: the activation in place of the PReLU of the published networks.

    Raises:
        ModelError: no such depth or activation, a dropout out of range, or images too small.
    """

    def __init__(
        self,
        *,
        height: int,
        width: int,
        embedding_size: int = 512,
        depth: int,
        dropout: float = 0.0,
        activation: ActivationChoice = "prelu",
    ) -> None:
        super().__init__()
        check_arguments("iResNet", BLOCKS, depth, dropout)
        rows, columns = strided_map(height, width)
        self.conv1 = nn.Conv2d(3, CHANNELS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(CHANNELS[0])
        self.prelu = make_activation(activation, CHANNELS[0])
        inputs = (CHANNELS[0], *CHANNELS[:-1])
        self.layer1, self.layer2, self.layer3, self.layer4 = map(
            _stage, inputs, CHANNELS, BLOCKS[depth], repeat(activation)
        )
        self.bn2 = nn.BatchNorm2d(CHANNELS[-1])
        self.dropout = nn.Dropout(dropout)
        self.fc = EmbeddingLayer(CHANNELS[-1] * rows * columns, embedding_size)
        self.features = nn.BatchNorm1d(embedding_size)
        self.features.weight.requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.prelu(self.bn1(self.conv1(images)))
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        flat = torch.flatten(self.bn2(maps), 1)
        embeddings: Tensor = self.features(self.fc(self.dropout(flat)))
        return embeddings


class Block(nn.Module):
    """shortcut(x) + BN(conv(PReLU(BN(conv(BN(x)))))); nothing follows the sum.

    (B, inputs, H, W) to (B, channels, ⌈H/stride⌉, ⌈W/stride⌉). The second convolution takes the stride; the
    shortcut is then a 1×1 convolution and BN, and the identity where the stride is 1.
    """

    def __init__(self, inputs: int, channels: int, stride: int, choice: ActivationChoice = "prelu") -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.prelu = make_activation(choice, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1:
            self.downsample = nn.Sequential(SubsampledConv2d(inputs, channels), nn.BatchNorm2d(channels))

    def forward(self, maps: Tensor) -> Tensor:
        change = self.prelu(self.bn2(self.conv1(self.bn1(maps))))
        change = self.bn3(self.conv2(change))
        total: Tensor = self.downsample(maps) + change
        return total


def _stage(inputs: int, channels: int, blocks: int, choice: ActivationChoice) -> nn.Sequential:
    rest = (Block(channels, channels, stride=1, choice=choice) for _ in range(blocks - 1))
    return nn.Sequential(Block(inputs, channels, stride=2, choice=choice), *rest)
