"""IR-18/34/50/101: the residual networks of AdaFace and CVLface.

Sources: Kim, Jain, Liu, AdaFace, CVPR 2022 (arXiv 2204.00964), its code (mk-minchul/AdaFace: net.py), and
CVLface (mk-minchul/CVLface). Their IR-101 has the blocks of iResNet-100. Parameter names are theirs, so
weights published for those networks fit.
"""

from __future__ import annotations

from torch import Tensor, nn

from nsface.networks import iresnet
from nsface.networks.activations import ActivationChoice, make_activation
from nsface.networks.embedding import EmbeddingLayer
from nsface.networks.shortcut import SubsampledConv2d
from nsface.networks.sizes import strided_map

CHANNELS = iresnet.CHANNELS
BLOCKS = {101 if depth == 100 else depth: blocks for depth, blocks in iresnet.BLOCKS.items()}


class IR(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, embedding_size); 112×112 in the paper.

    The input layer keeps the full size; each of the four stages halves it in its first block. Batch
    normalisation, dropout, a linear layer and a last batch normalisation, which has no weights, turn the last
    map (512 × 7 × 7 for 112×112) into the embedding. AdaFace's own network then divides the embedding by its
    norm and returns both; here it is returned as it is.

    Args:
        height, width: size of the images in pixels, at least 16.
        embedding_size: D, 512 in the published networks.
        depth: 18, 34, 50 or 101.
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
        dropout: float = 0.4,
        activation: ActivationChoice = "prelu",
    ) -> None:
        super().__init__()
        iresnet.check_arguments("IR", BLOCKS, depth, dropout)
        rows, columns = strided_map(height, width)
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, CHANNELS[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(CHANNELS[0]),
            make_activation(activation, CHANNELS[0]),
        )
        blocks: list[nn.Module] = []
        inputs = CHANNELS[0]
        for channels, count in zip(CHANNELS, BLOCKS[depth], strict=True):
            blocks.append(Block(inputs, channels, stride=2, choice=activation))
            blocks += [Block(channels, channels, stride=1, choice=activation) for _ in range(count - 1)]
            inputs = channels
        self.body = nn.Sequential(*blocks)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Dropout(dropout),
            nn.Flatten(),
            EmbeddingLayer(inputs * rows * columns, embedding_size),
            nn.BatchNorm1d(embedding_size, affine=False),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.output_layer(self.body(self.input_layer(images)))
        return embeddings


class Block(nn.Module):
    """shortcut(x) + BN(conv(PReLU(BN(conv(BN(x)))))); nothing follows the sum.

    (B, inputs, H, W) to (B, channels, ⌈H/stride⌉, ⌈W/stride⌉). The second convolution takes the stride. Where
    the number of channels changes, the shortcut is a 1×1 convolution and BN, else every `stride`-th pixel:
    the first stage halves the map without weights, which sets it apart from iResNet.
    """

    def __init__(self, inputs: int, channels: int, stride: int, choice: ActivationChoice = "prelu") -> None:
        super().__init__()
        self.shortcut_layer: nn.Module
        if inputs != channels:
            self.shortcut_layer = nn.Sequential(
                SubsampledConv2d(inputs, channels), nn.BatchNorm2d(channels)
            )  # where the channels change, the stride is 2
        elif stride > 1:
            self.shortcut_layer = nn.AvgPool2d(1, stride)  # of one pixel: no mean is taken
        else:
            self.shortcut_layer = nn.Identity()
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            make_activation(choice, channels),
            nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, maps: Tensor) -> Tensor:
        total: Tensor = self.shortcut_layer(maps) + self.res_layer(maps)
        return total
