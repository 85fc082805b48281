"""The residual networks for CIFAR: ResNet-32 and ResNet-110, and ResNet-18 of four stages.

Source: He, Zhang, Ren and Sun, Deep Residual Learning, CVPR 2016 (arXiv 1512.03385). ResNet-32 and ResNet-110
are those of section 4.2: three stages of 16, 32 and 64 channels, with shortcuts without weights (option A).
ResNet-18 is the network of ImageNet in the form that is common on CIFAR: four stages of 64 to 512 channels,
shortcuts with weights (option B), a 3×3 convolution of stride 1 before them and no max-pool. The tables of
gradient-decay softmax (arXiv 2210.17145) have a ResNet-18, whose layers are not confirmed. MSRA
initialisation; the paper warms ResNet-110 up with a tenth of its learning rate.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from nsface.errors import ModelError
from nsface.networks.activations import ActivationChoice, make_activation
from nsface.networks.embedding import GlobalAverage
from nsface.networks.initialisation import he_
from nsface.networks.light_resnet import Unit
from nsface.networks.sizes import check_channels, check_size

# depth: channels of the first stage in the paper, and residual units of two convolutions in each stage
DEPTHS = {18: (64, (2, 2, 2, 2)), 32: (16, (5, 5, 5)), 110: (16, (18, 18, 18))}
WITHOUT_WEIGHTS = (32, 110)  # the depths whose shortcuts are option A


class ResNetCifar(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, embedding_size); 32×32 in the papers.

    The mean over the last map, which has 64 channels (ResNet-18: 512) at the published width, is the
    embedding where D is that number; with another D a linear layer follows. Each stage after the first halves
    the map in its first unit and is twice as wide as the one before.

    Args:
        height, width: size of the images in pixels, at least 16.
        embedding_size: D; 4 × `channels` in the published form, 8 × `channels` of ResNet-18.
        depth: 18, 32 or 110.
        channels: of the first stage, 1 to 4096; None: the published 16, and 64 of ResNet-18.
        activation: the activation in place of ReLU.

    Raises:
        ModelError: no such depth or activation, images too small, or `channels` out of its range.
    """

    def __init__(
        self,
        *,
        height: int,
        width: int,
        embedding_size: int,
        depth: int,
        channels: int | None = None,
        activation: ActivationChoice = "relu",
    ) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ModelError(
                f"no ResNet for CIFAR of depth {depth}; give one of {', '.join(map(str, DEPTHS))}"
            )
        published, units = DEPTHS[depth]
        channels = published if channels is None else channels
        check_channels(channels)
        check_size(height, width)
        widths = [channels]
        for stage, number in enumerate(units):
            widths += [channels * 2**stage] * number
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            make_activation(activation, channels),
        )
        self.units = nn.Sequential(
            *(
                Unit(*pair, activation, ZeroPadded(pair[1] - pair[0]) if depth in WITHOUT_WEIGHTS else None)
                for pair in pairwise(widths)
            )
        )
        self.embedding = GlobalAverage(widths[-1], embedding_size)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                he_(module)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.embedding(self.units(self.stem(images)))
        return embeddings


class ZeroPadded(nn.Module):
    """Every second pixel, with zeros for the channels that are missing: the shortcut of option A.

    (B, C, H, W) to (B, C + missing, ⌈H/2⌉, ⌈W/2⌉).

    Args:
        missing: how many channels are missing.
    """

    def __init__(self, missing: int) -> None:
        super().__init__()
        self.missing = missing

    def forward(self, maps: Tensor) -> Tensor:
        # the mean over one pixel is that pixel; indexing would lose the channels-last format going back
        pixels = F.avg_pool2d(maps, kernel_size=1, stride=2)
        return F.pad(pixels, (0, 0, 0, 0, 0, self.missing))
