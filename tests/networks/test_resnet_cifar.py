"""The residual networks for CIFAR against published counts and a second writing of the forward pass."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nsface.errors import ModelError
from nsface.networks import build, count
from nsface.networks.resnet_cifar import ResNetCifar, ZeroPadded

STATISTICS = ("running_mean", "running_var", "weight", "bias")
WIDTHS = {18: (64, 128, 256, 512), 32: (16, 32, 64), 110: (16, 32, 64)}
UNITS = {18: 2, 32: 5, 110: 18}  # of each stage
# With a classifier of ten classes; He et al., table 6, print 0.46 M and 1.7 M.
WITH_CLASSIFIER = {18: 11_173_962, 32: 464_154, 110: 1_727_962}


@pytest.mark.parametrize("depth", WIDTHS)
def test_counts_equal_the_sum_over_the_layers(depth: int) -> None:
    features = WIDTHS[depth][-1]
    with torch.device("meta"):
        found = count(build(f"resnet-{depth}", height=32, width=32, embedding_size=features), 32, 32)
    inputs = WIDTHS[depth][0]
    parameters, multiply_adds = 27 * inputs + 2 * inputs, 27 * inputs * 32 * 32
    for stage, channels in enumerate(WIDTHS[depth]):
        weights = 9 * inputs * channels + (2 * UNITS[depth] - 1) * 9 * channels**2
        parameters += 2 * UNITS[depth] * 2 * channels
        if depth == 18 and inputs != channels:
            weights += inputs * channels
            parameters += 2 * channels
        parameters += weights
        multiply_adds += weights * (32 // 2**stage) ** 2
        inputs = channels
    assert found == (parameters, multiply_adds)
    assert parameters + features * 10 + 10 == WITH_CLASSIFIER[depth]


@pytest.mark.parametrize("depth", [32, 110])
def test_the_depth_counts_convolutions_and_the_classifier(depth: int) -> None:
    with torch.device("meta"):
        network = build(f"resnet-{depth}", height=32, width=32)
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) + 1 == depth


@pytest.mark.parametrize("depth", [18, 32])
def test_forward_equals_a_second_writing_of_it(depth: int) -> None:
    torch.manual_seed(0)
    features = {18: 16, 32: 8}[depth]
    network = (
        ResNetCifar(height=32, width=27, embedding_size=features, depth=depth, channels=2).double().eval()
    )
    w = network.state_dict()
    for value in w.values():  # so that every normalisation shows in the output
        if value.ndim == 1:
            value.uniform_(0.5, 1.5)

    def normed(x: Tensor, at: str) -> Tensor:
        mean, var, scale, shift = (w[f"{at}.{end}"].view(-1, 1, 1) for end in STATISTICS)
        y: Tensor = (x - mean) / (var + 1e-5).sqrt() * scale + shift
        return y

    images = torch.randn(2, 3, 32, 27, dtype=torch.float64)
    x = torch.relu(normed(F.conv2d(images, w["stem.0.weight"], padding=1), "stem.1"))
    for unit in range(len(WIDTHS[depth]) * UNITS[depth]):
        at = f"units.{unit}"
        halves = unit > 0 and unit % UNITS[depth] == 0
        y = F.conv2d(x, w[f"{at}.conv1.weight"], stride=2 if halves else 1, padding=1)
        y = normed(
            F.conv2d(torch.relu(normed(y, f"{at}.bn1")), w[f"{at}.conv2.weight"], padding=1), f"{at}.bn2"
        )
        if halves and depth == 18:
            x = normed(F.conv2d(x, w[f"{at}.project.0.weight"], stride=2), f"{at}.project.1")
        elif halves:
            x = torch.cat([x[:, :, ::2, ::2], torch.zeros_like(x[:, :, ::2, ::2])], dim=1)
        x = torch.relu(y + x)
    torch.testing.assert_close(network(images), x.flatten(2).mean(dim=2))


def test_the_shortcut_without_weights_takes_every_second_pixel() -> None:
    maps = torch.rand(2, 3, 5, 4)
    found = ZeroPadded(2)(maps.to(memory_format=torch.channels_last))
    assert torch.equal(found[:, :3], maps[:, :, ::2, ::2])
    assert found.shape == (2, 5, 3, 2)
    assert not found[:, 3:].any()
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("depth", [18, 32])
def test_weights_start_by_he_s_rule_and_scales_at_1(depth: int) -> None:
    torch.manual_seed(0)
    for name, values in (
        ResNetCifar(height=32, width=32, embedding_size=512, depth=depth).state_dict().items()
    ):
        if values.ndim == 4:
            assert values.std().item() == pytest.approx((2 / values[0].numel()) ** 0.5, rel=0.1), name
        elif values.ndim == 1 and name.endswith("weight"):
            assert (values == 1).all(), name


def test_unknown_depth() -> None:
    with pytest.raises(ModelError, match="depth 20; give one of 18, 32, 110"):
        ResNetCifar(height=32, width=32, embedding_size=64, depth=20)
