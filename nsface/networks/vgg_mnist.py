"""A plain VGG-like network for grey images of 28×28, of the kind the Noisy Softmax paper trained on MNIST.

Source: as of `vgg_cifar.py`, a stand-in of the same family, after the MNIST network of Large-Margin Softmax
(arXiv 1612.02295, table 1): a 3×3 convolution of 64 channels before three stages of three, each with a
max-pool, then one fully connected layer; batch normalisation and ReLU after each, MSRA initialisation, no
dropout. Its last map is 3×3, where Caffe, which rounds up, would give 4×4. No published weights belong to it.
"""

from __future__ import annotations

from typing import ClassVar

from nsface.networks.vgg_cifar import VGGCifar


class VGGMnist(VGGCifar):
    """Grey images (B, 3, H, W) to embeddings (B, embedding_size), which are never negative with ReLU.

    Of the three channels, which are equal in a grey image, the first alone is read. The last map is
    256 × 3 × 3 for images of 28×28 and the default width: 3.1 M parameters with D = 512, and 233 M
    multiply-adds. Arguments and errors are those of `VGGCifar`.
    """

    inputs: ClassVar[int] = 1
    convolutions: ClassVar[tuple[int, ...]] = (4, 3, 3)
