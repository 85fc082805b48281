"""VGG-16 with batch normalisation for images of 32×32, without its fully connected layers.

Source: Simonyan and Zisserman, ICLR 2015 (arXiv 1409.1556, table 1, column D): thirteen 3×3 convolutions in
five stages. On CIFAR it is used with batch normalisation and ReLU after each (Ioffe and Szegedy, ICML 2015,
arXiv 1502.03167), and with the classifier on the 512 numbers that are left of an image of 32×32 in place of
the layers of 4096. The tables of gradient-decay softmax (arXiv 2210.17145) have a VGG-16, whose layers are
not confirmed. MSRA initialisation. Convolutions have no bias, as batch normalisation has its own.
"""

from __future__ import annotations

from torch import Tensor, nn

from nsface.networks.activations import ActivationChoice
from nsface.networks.embedding import GlobalAverage
from nsface.networks.sizes import check_channels, check_size
from nsface.networks.vgg_face import stage

STAGES = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))  # width, as a multiple of the first, and convolutions


class VGG16(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, embedding_size).

    The last map is 512 × 1 × 1 for images of 32×32 and the default width; of larger images the mean over it
    is taken. With D = 512 that is the embedding, and is never negative with ReLU: 14.7 M parameters and
    313 M multiply-adds. With another D a linear layer follows.

    Args:
        height, width: size of the images in pixels, at least 16.
        embedding_size: D; 8 × `channels` in the published form.
        channels: of the first stage, 1 to 4096; the others have 2, 4, 8 and 8 times as many.
        activation: the activation in place of ReLU.

    Raises:
        ModelError: no such activation, images too small, or `channels` out of its range.
    """

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
        check_size(height, width)
        inputs, stages = 3, []
        for multiple, convolutions in STAGES:
            stages.append(stage(inputs, multiple * channels, convolutions, activation))
            inputs = multiple * channels
        # rounds up, so that something is left of images below 32×32
        stages[-1][-1] = nn.MaxPool2d(2, ceil_mode=True)
        self.stages = nn.Sequential(*stages)
        self.embedding = GlobalAverage(inputs, embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.embedding(self.stages(images))
        return embeddings
