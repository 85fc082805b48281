"""Folded networks against themselves before, in eval mode."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nsface import networks
from nsface.networks.folding import fold_batch_norms

_NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d)


def with_statistics(network: nn.Module) -> nn.Module:
    """`network` in eval mode, with statistics, scales and shifts such as a training gives."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, _NORMALISATIONS):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.uniform_(module.weight, -1.5, 1.5)
                nn.init.normal_(module.bias)
    return network.eval()


@pytest.mark.parametrize(
    "name",
    [
        "iresnet-18",
        "ir-18",
        "light-resnet",
        "resnet-18",
        "resnet-32",
        "sphereface-10",
        "vgg-16",
        "vgg-face",
        "vgg-mnist",
    ],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
@torch.no_grad()
def test_a_folded_network_gives_the_same_numbers(name: str, dtype: torch.dtype, tolerance: float) -> None:
    network = with_statistics(networks.build(name, height=32, width=32, embedding_size=16)).to(dtype)
    images = torch.randn(3, 3, 32, 32, dtype=dtype)
    before = network(images)
    normalisations = sum(isinstance(module, _NORMALISATIONS) for module in network.modules())
    folded = fold_batch_norms(network)
    left = sum(isinstance(module, _NORMALISATIONS) for module in network.modules())
    assert folded + left == normalisations
    difference = (network(images) - before).abs().max() / before.abs().max()
    assert difference < tolerance


def test_all_that_follow_a_layer_are_folded() -> None:
    counts = {}
    for name in ("iresnet-18", "light-resnet", "resnet-18", "resnet-32", "vgg-16", "vgg-face", "vgg-mnist"):
        network = networks.build(name, height=32, width=32).eval()
        fold_batch_norms(network)
        counts[name] = sum(isinstance(module, _NORMALISATIONS) for module in network.modules())
    # an iResNet keeps the first of each of its eight blocks, and the one before its linear layer
    assert counts.pop("iresnet-18") == 9
    assert set(counts.values()) == {0}


class Network(nn.Module):
    """A layer and its normalisation, with what a subclass does besides."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)


class UsedTwice(Network):
    """The output of the layer is also added as it is."""

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv(images)
        total: Tensor = self.bn(maps) + maps
        return total


class CalledTwice(Network):
    """Only one call of the layer is normalised."""

    def forward(self, images: Tensor) -> Tensor:
        total: Tensor = self.bn(self.conv(images)) + self.conv(2 * images)
        return total


class OneNormalisationForTwoLayers(Network):
    """The normalisation follows two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Conv2d(3, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        total: Tensor = self.bn(self.conv(images)) * self.bn(self.other(images))
        return total


class NormalisedFirst(Network):
    """The normalisation comes before a padded convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.conv(self.bn(images))
        return maps


class BatchStatistics(Network):
    """The normalisation has no statistics of its own: it takes those of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(4, track_running_stats=False)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.bn(self.conv(images))
        return maps


@pytest.mark.parametrize(
    "make", [UsedTwice, CalledTwice, OneNormalisationForTwoLayers, NormalisedFirst, BatchStatistics]
)
@torch.no_grad()
def test_what_cannot_be_folded_is_left_alone(make: type[Network]) -> None:
    network = with_statistics(make()) if make is not BatchStatistics else make().eval()
    images = torch.randn(2, 3, 8, 8)
    before = network(images)
    assert fold_batch_norms(network) == 0
    assert torch.equal(network(images), before)


class _Branching(nn.Module):
    """A network whose way depends on what it sees, which cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.norm(self.convolution(images))
        return maps if images.sum() > 0 else -maps


def test_a_network_that_cannot_be_traced_stays() -> None:
    network = _Branching().eval()
    images = torch.rand(2, 3, 8, 8)
    expected = network(images)
    assert fold_batch_norms(network) == 0
    assert torch.equal(network(images), expected)
