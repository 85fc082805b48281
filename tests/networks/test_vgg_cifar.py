"""The VGG-like network for CIFAR: its counts, and a second writing of it."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from nsface.networks import build, count
from nsface.networks.vgg_cifar import VGGCifar

STATISTICS = ("running_mean", "running_var", "weight", "bias")


def test_counts_follow_from_the_widths() -> None:
    widths = [3, *[64] * 4, *[128] * 4, *[256] * 4]
    weights = [9 * one * two for one, two in pairwise(widths)]
    cells = [32 * 32 // (channels // 64) ** 2 for channels in widths[1:]]
    flat = 256 * 4 * 4
    parameters = sum(weights) + 2 * sum(widths[1:]) + flat * 512 + 2 * 512
    multiply_adds = sum(w * c for w, c in zip(weights, cells, strict=True)) + flat * 512
    with torch.device("meta"):
        assert count(build("vgg-cifar", height=32, width=32), 32, 32) == (parameters, multiply_adds)
    assert (parameters, multiply_adds) == (4_794_560, 381_353_984)


def test_forward_equals_a_second_writing_of_it() -> None:
    torch.manual_seed(0)
    network = VGGCifar(height=32, width=23, embedding_size=16, channels=4).eval()
    w = network.state_dict()
    for name, value in w.items():
        if "bn." in name and value.ndim:
            value.uniform_(0.5, 1.5)

    def normalised(x: Tensor, at: str) -> Tensor:
        shape = (1, -1, *[1] * (x.ndim - 2))
        mean, var, scale, shift = (w[f"{at}.{end}"].view(shape) for end in STATISTICS)
        return torch.relu((x - mean) / (var + 1e-5).sqrt() * scale + shift)

    images = x = torch.randn(2, 3, 32, 23)
    for stage in range(3):
        for block in range(4):
            at = f"stages.{stage}.{block}"
            x = normalised(F.conv2d(x, w[f"{at}.conv.weight"], padding=1), f"{at}.bn")
        x = F.max_pool2d(x, 2)
    expected = normalised(x.reshape(2, -1) @ w["fc.weight"].T, "bn")
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4)


def test_counts_at_the_width_for_cifar_100() -> None:
    """Stages of 96, 192 and 384 channels."""
    widths = [3, *[96] * 4, *[192] * 4, *[384] * 4]
    weights = [9 * one * two for one, two in pairwise(widths)]
    with torch.device("meta"):
        network = build("vgg-cifar", height=32, width=32, channels=96)
    parameters = sum(weights) + 2 * sum(widths[1:]) + 384 * 16 * 512 + 2 * 512
    assert count(network, 32, 32).parameters == parameters == 9_209_632


def test_weights_start_by_he_s_rule() -> None:
    torch.manual_seed(0)
    for name, weight in VGGCifar(height=32, width=32).state_dict().items():
        if weight.ndim > 1:
            assert abs(weight.std() / (2 / weight[0].numel()) ** 0.5 - 1) < 0.1, name
