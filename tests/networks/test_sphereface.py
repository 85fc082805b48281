"""SphereFace against the paper's table, the published counts and a second writing of its forward pass."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nsface.errors import ModelError
from nsface.networks import build, count
from nsface.networks.sphereface import SphereFace, Unit

# Liu et al. 2017, table 2: residual units in conv1.x to conv4.x.
TABLE = {4: (0, 0, 0, 0), 10: (0, 1, 2, 0), 20: (1, 2, 4, 1), 36: (2, 4, 8, 2), 64: (3, 8, 16, 3)}
# Stage by stage: input channels, output channels, cells of the map for images of 112×96.
STAGES = [(3, 64, 56 * 48), (64, 128, 28 * 24), (128, 256, 14 * 12), (256, 512, 7 * 6)]


def on_meta(depth: int, height: int = 112, width: int = 96) -> nn.Module:
    with torch.device("meta"):
        return build(f"sphereface-{depth}", height=height, width=width)


@pytest.mark.parametrize("depth", TABLE)
def test_counts_equal_the_sum_over_the_table(depth: int) -> None:
    parameters, multiply_adds = 512 * 42 * 512 + 512, 512 * 42 * 512
    for (inputs, channels, cells), units in zip(STAGES, TABLE[depth], strict=True):
        opening, convolution = 9 * inputs * channels, 9 * channels * channels
        parameters += opening + 2 * channels + units * 2 * (convolution + channels)
        multiply_adds += cells * (opening + units * 2 * convolution)
    assert count(on_meta(depth), 112, 96) == (parameters, multiply_adds)


@pytest.mark.parametrize("depth", TABLE)
def test_the_depth_counts_convolutions(depth: int) -> None:
    assert sum(isinstance(m, nn.Conv2d) for m in on_meta(depth).modules()) == depth


def test_depth_20_agrees_with_published_figures() -> None:
    """Open Model Zoo, "Sphereface", read off the authors' Caffe model: 22.671 M parameters, 3.504 GFLOPs.

    Its parameters include the frozen zero biases of the 16 residual convolutions; its operations are twice
    the multiply-adds, and include those of the activations and sums: 0.2 % here.
    """
    cost = count(on_meta(20), 112, 96)
    frozen_biases = 2 * (1 * 64 + 2 * 128 + 4 * 256 + 1 * 512)
    assert round((cost.parameters + frozen_biases) / 1e6, 3) == 22.671
    assert 2 * cost.multiply_adds / 1e9 == pytest.approx(3.504, rel=0.002)


def test_depth_20_at_112_by_112_reads_a_wider_map() -> None:
    narrow, wide = count(on_meta(20), 112, 96), count(on_meta(20, 112, 112), 112, 112)
    assert wide.parameters - narrow.parameters == 512 * 7 * 512


def test_forward_equals_a_second_writing_of_it() -> None:
    torch.manual_seed(0)
    network = SphereFace(height=32, width=48, depth=20)
    with torch.no_grad():
        for weight in network.parameters():  # so that every layer shows in the output
            weight.normal_(std=0.05)
    w = network.state_dict()
    images = torch.randn(2, 3, 32, 48)

    def conv(x: Tensor, at: str, number: str = "", stride: int = 1) -> Tensor:
        x = F.conv2d(x, w[f"{at}.conv{number}.weight"], w.get(f"{at}.conv{number}.bias"), stride, padding=1)
        slope = w[f"{at}.prelu{number}.weight"].view(-1, 1, 1)
        return torch.where(x > 0, x, slope * x)

    x = images
    for stage, units in enumerate(TABLE[20]):
        x = conv(x, f"stages.{stage}", stride=2)
        for unit in range(units):
            at = f"stages.{stage}.units.{unit}"
            x = x + conv(conv(x, at, "1"), at, "2")
    expected = x.reshape(2, -1) @ w["fc.weight"].T + w["fc.bias"]
    torch.testing.assert_close(network(images), expected)


@pytest.mark.parametrize("zeroed", ["conv1", "conv2"])
def test_a_unit_with_a_zeroed_convolution_is_the_identity(zeroed: str) -> None:
    unit = Unit(8)
    maps = torch.randn(2, 8, 5, 4)
    assert not torch.equal(unit(maps), maps)
    nn.init.zeros_(getattr(unit, zeroed).weight)
    assert torch.equal(unit(maps), maps)


def test_weights_start_as_in_the_published_files() -> None:
    torch.manual_seed(0)
    network = SphereFace(height=112, width=96, depth=20)
    for name, parameter in network.named_parameters():
        values = parameter.detach()
        if name.endswith("bias"):
            assert not values.any(), name
        elif "prelu" in name:
            assert (values == 0.25).all(), name
        elif ".units." in name:
            assert values.std() == pytest.approx(0.01, rel=0.02), name
            assert values.abs().max() > 0.03, name  # a uniform of that spread ends at 0.0173
        else:
            bound = math.sqrt(3 / values[0].numel())  # Caffe's xavier: uniform with variance 1 / fan-in
            assert 0.99 * bound < values.abs().max() <= bound, name
            assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.05), name


def test_only_openings_and_the_last_layer_have_biases() -> None:
    biases = [name for name, _ in on_meta(20).named_parameters() if name.endswith("bias")]
    assert biases == [*(f"stages.{stage}.conv.bias" for stage in range(4)), "fc.bias"]


def test_unknown_depth() -> None:
    with pytest.raises(ModelError, match="depth 21; give one of 4, 10, 20, 36, 64"):
        SphereFace(height=112, width=96, depth=21)
