"""The VGG-like network for MNIST: its counts, and a second writing of it."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from nsface.networks import build, count
from nsface.networks.vgg_mnist import VGGMnist

STATISTICS = ("running_mean", "running_var", "weight", "bias")


def test_counts_follow_from_the_widths() -> None:
    widths = [1, *[64] * 4, *[128] * 3, *[256] * 3]
    weights = [9 * one * two for one, two in pairwise(widths)]
    cells = [(28 // (channels // 64)) ** 2 for channels in widths[1:]]
    parameters = sum(weights) + 2 * sum(widths[1:]) + 256 * 9 * 512 + 2 * 512
    multiply_adds = sum(w * c for w, c in zip(weights, cells, strict=True)) + 256 * 9 * 512
    with torch.device("meta"):
        assert count(build("vgg-mnist", height=28, width=28), 28, 28) == (parameters, multiply_adds)
    assert (parameters, multiply_adds) == (3_137_856, 232_842_240)


def test_forward_equals_a_second_writing_of_it() -> None:
    torch.manual_seed(0)
    network = VGGMnist(height=28, width=23, embedding_size=16, channels=4).eval()
    w = network.state_dict()
    for name, value in w.items():
        if "bn." in name and value.ndim:
            value.uniform_(0.5, 1.5)

    def normalised(x: Tensor, at: str) -> Tensor:
        shape = (1, -1, *[1] * (x.ndim - 2))
        mean, var, scale, shift = (w[f"{at}.{end}"].view(shape) for end in STATISTICS)
        return torch.relu((x - mean) / (var + 1e-5).sqrt() * scale + shift)

    grey = x = torch.randn(2, 1, 28, 23)
    for stage, blocks in enumerate((4, 3, 3)):
        for block in range(blocks):
            at = f"stages.{stage}.{block}"
            x = normalised(F.conv2d(x, w[f"{at}.conv.weight"], padding=1), f"{at}.bn")
        x = F.max_pool2d(x, 2)
    expected = normalised(x.reshape(2, -1) @ w["fc.weight"].T, "bn")
    torch.testing.assert_close(network(grey.expand(2, 3, 28, 23)), expected, rtol=1e-4, atol=1e-4)
