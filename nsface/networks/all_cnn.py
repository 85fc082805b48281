"""All-CNN-C: convolutions alone, of which two with stride 2 stand in place of pooling.

Source: Springenberg, Dosovitskiy, Brox and Riedmiller, Striving for Simplicity, ICLR 2015 workshop
(arXiv 1412.6806), tables 1 and 2 and section 3.1: model C for CIFAR, whose max-pools are convolutions of
stride 2. Only a seventh convolution without padding gives the 6×6 map of the paper. The paper does not print
the initialisation: here He's rule, biases 0.

There the classifier is the ninth convolution, of 1×1, with a ReLU and the mean over the map behind it; here
the network ends before it. The mean of a linear map is the linear map of the mean, so that the head `softmax`
with `bias: true` on the mean of the 192 channels is that classifier without its ReLU, which makes all logits
positive or 0.
"""

from __future__ import annotations

from torch import Tensor, nn

from nsface.networks.activations import ActivationChoice, make_activation
from nsface.networks.embedding import GlobalAverage
from nsface.networks.initialisation import he_
from nsface.networks.sizes import check_channels, check_dropout, check_size


class AllCNN(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, embedding_size).

    The last map is 192 × 6 × 6 for images of 32×32 and the default width, and the mean over it is the
    embedding. With D = 192: 1.4 M parameters and 271 M multiply-adds. With another D a linear layer follows.

    Args:
        height, width: size of the images in pixels, at least 16.
        embedding_size: D; 2 × `channels` in the published form.
        channels: of the first three convolutions, 1 to 4096; the others have twice as many.
        dropout: the share of the maps that is dropped in training after each convolution of stride 2, in
            [0, 1).
        input_dropout: the share of the pixels' channels that is dropped in training, in [0, 1).
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
        channels: int = 96,
        dropout: float = 0.5,
        input_dropout: float = 0.2,
        activation: ActivationChoice = "relu",
    ) -> None:
        super().__init__()
        check_channels(channels)
        check_dropout(dropout)
        check_dropout(input_dropout, "input_dropout")
        check_size(height, width)
        wide = 2 * channels

        def layer(
            inputs: int, outputs: int, side: int = 3, stride: int = 1, padding: int = 1
        ) -> nn.Sequential:
            convolution = nn.Conv2d(inputs, outputs, side, stride=stride, padding=padding)
            he_(convolution)
            return nn.Sequential(convolution, make_activation(activation, outputs))

        self.layers = nn.Sequential(
            nn.Dropout(input_dropout),
            layer(3, channels),
            layer(channels, channels),
            layer(channels, channels, stride=2),
            nn.Dropout(dropout),
            layer(channels, wide),
            layer(wide, wide),
            layer(wide, wide, stride=2),
            nn.Dropout(dropout),
            layer(wide, wide, padding=0),
            layer(wide, wide, side=1, padding=0),
        )
        self.embedding = GlobalAverage(wide, embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.embedding(self.layers(images))
        return embeddings
