"""The VGG-like face network against VGG-16's published layer table."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nsface.networks import build, count
from nsface.networks.vgg_face import VGGFace

# Parameters of VGG-16's first ten convolutions, weights and biases, as in every published summary of it.
VGG16 = [1792, 36928, 73856, 147584, 295168, 590080, 590080, 1180160, 2359808, 2359808]
STATISTICS = ("running_mean", "running_var", "weight", "bias")
CHANNELS = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512]


def test_counts_equal_those_of_vgg_16_with_batch_normalisation_for_biases() -> None:
    weights = [total - channels for total, channels in zip(VGG16, CHANNELS, strict=True)]
    cells = [112 * 96 // (channels // 64) ** 2 for channels in CHANNELS]
    flat = 512 * 7 * 6
    parameters = sum(weights) + 2 * sum(CHANNELS) + flat * 512 + 512
    multiply_adds = sum(w * c for w, c in zip(weights, cells, strict=True)) + flat * 512
    with torch.device("meta"):
        assert count(build("vgg-face", height=112, width=96), 112, 96) == (parameters, multiply_adds)


def test_forward_equals_a_second_writing_of_it() -> None:
    torch.manual_seed(0)
    network = VGGFace(height=32, width=49).eval()
    w = network.state_dict()
    for name, value in w.items():
        if ".bn." in name and value.ndim:
            value.uniform_(0.5, 1.5)
    images = x = torch.randn(2, 3, 32, 49)
    for stage, convolutions in enumerate([2, 2, 3, 3]):
        for block in range(convolutions):
            at = f"stages.{stage}.{block}"
            x = F.conv2d(x, w[f"{at}.conv.weight"], padding=1)
            mean, var, scale, shift = (w[f"{at}.bn.{end}"].view(-1, 1, 1) for end in STATISTICS)
            x = ((x - mean) / (var + 1e-5).sqrt() * scale + shift).clamp(min=0)
        x = F.max_pool2d(x, 2)
    expected = x.reshape(2, -1) @ w["fc.weight"].T + w["fc.bias"]
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4)


def test_the_embedding_is_linear_and_takes_both_signs() -> None:
    torch.manual_seed(0)
    embeddings = VGGFace(height=32, width=32).eval()(torch.randn(2, 3, 32, 32))
    assert 0.3 < (embeddings > 0).float().mean() < 0.7


def test_weights_start_by_he_s_rule() -> None:
    torch.manual_seed(0)
    network = VGGFace(height=112, width=96)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 11
    for layer in layers:
        fan_in = layer.weight[0].numel()
        assert layer.weight.detach().std() == pytest.approx((2 / fan_in) ** 0.5, rel=0.05)
    assert not network.fc.bias.any()
