"""Backbones: images in, embeddings out, one file a family.

A recipe names a network by its key in `NETWORKS`. Every network maps images (B, 3, H, W) to embeddings
(B, D), is given height, width and D when it is built, and draws its weights from torch's global generator, so
that a seed reproduces them. It ends where the classifier of its paper begins, because that is the head's.
`activation` names the activation after its convolutions (`activations.py`); networks of maxima have none.
`mean_image` is an argument of every network, which `build` sees to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from nsface.arguments import check_arguments, unknown_name
from nsface.errors import ModelError
from nsface.networks.all_cnn import AllCNN
from nsface.networks.cost import Cost, count
from nsface.networks.ir import IR
from nsface.networks.iresnet import IResNet
from nsface.networks.light_resnet import LightResNet
from nsface.networks.lightened_cnn import LightenedCNN
from nsface.networks.maxout import Maxout
from nsface.networks.mean_image import subtract_mean_image
from nsface.networks.nin import NIN
from nsface.networks.resnet_cifar import ResNetCifar
from nsface.networks.sphereface import SphereFace
from nsface.networks.vgg16 import VGG16
from nsface.networks.vgg_cifar import VGGCifar
from nsface.networks.vgg_face import VGGFace
from nsface.networks.vgg_mnist import VGGMnist

__all__ = ["NETWORKS", "Cost", "build", "count"]

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "all-cnn-c": AllCNN,
    "ir-18": partial(IR, depth=18),
    "ir-34": partial(IR, depth=34),
    "ir-50": partial(IR, depth=50),
    "ir-101": partial(IR, depth=101),
    "iresnet-18": partial(IResNet, depth=18),
    "iresnet-34": partial(IResNet, depth=34),
    "iresnet-50": partial(IResNet, depth=50),
    "iresnet-100": partial(IResNet, depth=100),
    "light-resnet": LightResNet,
    "lightened-cnn": LightenedCNN,
    "maxout": Maxout,
    "nin": NIN,
    "resnet-18": partial(ResNetCifar, depth=18),
    "resnet-32": partial(ResNetCifar, depth=32),
    "resnet-110": partial(ResNetCifar, depth=110),
    "sphereface-4": partial(SphereFace, depth=4),
    "sphereface-10": partial(SphereFace, depth=10),
    "sphereface-20": partial(SphereFace, depth=20),
    "sphereface-36": partial(SphereFace, depth=36),
    "sphereface-64": partial(SphereFace, depth=64),
    "vgg-16": VGG16,
    "vgg-cifar": VGGCifar,
    "vgg-face": VGGFace,
    "vgg-mnist": VGGMnist,
}


# arguments that every network takes, and their defaults
COMMON_ARGUMENTS = {"mean_image": False}


def build(name: str, *, height: int, width: int, embedding_size: int = 512, **arguments: object) -> nn.Module:
    """The network called `name` in `NETWORKS`, with fresh weights.

    Args:
        name: a key of `NETWORKS`.
        height, width: size of the images in pixels.
        embedding_size: D, at least 1.
        arguments: further arguments of this network, such as `activation`, or `dropout` of iResNet; and
            `mean_image`, whether it subtracts the mean of the training images, pixel by pixel.

    Raises:
        ModelError: no such network or activation, or sizes that do not fit.
        ArgumentError: no such argument, or a value of another type.
    """
    if name not in NETWORKS:
        raise ModelError(unknown_name("network", name, NETWORKS))
    common = {key: type(value) for key, value in COMMON_ARGUMENTS.items()}
    check_arguments(name, NETWORKS[name], arguments, ("height", "width", "embedding_size"), common)
    if embedding_size < 1:
        raise ModelError(f"embedding_size is {embedding_size}; give at least 1")
    mean_image = arguments.pop("mean_image", False)
    network = NETWORKS[name](height=height, width=width, embedding_size=embedding_size, **arguments)
    if mean_image:
        subtract_mean_image(network, height, width)
    return network
