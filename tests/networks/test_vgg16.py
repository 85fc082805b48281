"""VGG-16 with batch normalisation against torchvision's count and a second writing of its forward pass."""

import torch
import torch.nn.functional as F

from nsface.networks import build, count
from nsface.networks.vgg16 import VGG16

STATISTICS = ("running_mean", "running_var", "weight", "bias")
CHANNELS = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
SIDES = [32, 32, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2]
# Parameters of `features` of torchvision's vgg16_bn, whose convolutions have biases.
TORCHVISION = 14_723_136


def test_counts() -> None:
    with torch.device("meta"):
        found = count(build("vgg-16", height=32, width=32), 32, 32)
    assert found.parameters == TORCHVISION - sum(CHANNELS)
    pairs = zip([3, *CHANNELS[:-1]], CHANNELS, SIDES, strict=True)
    assert found.multiply_adds == sum(9 * one * two * side * side for one, two, side in pairs)


def test_forward_equals_a_second_writing_of_it() -> None:
    """32×80: the fifth pool of 2×5 cells rounds up, and three cells are averaged."""
    torch.manual_seed(0)
    network = VGG16(height=32, width=80, embedding_size=16, channels=2).eval()
    w = network.state_dict()
    for name, value in w.items():
        if ".bn." in name and value.ndim:
            value.uniform_(0.5, 1.5)
    images = x = torch.randn(2, 3, 32, 80)
    for stage, blocks in enumerate((2, 2, 3, 3, 3)):
        for block in range(blocks):
            at = f"stages.{stage}.{block}"
            x = F.conv2d(x, w[f"{at}.conv.weight"], padding=1)
            mean, var, scale, shift = (w[f"{at}.bn.{end}"].view(-1, 1, 1) for end in STATISTICS)
            x = ((x - mean) / (var + 1e-5).sqrt() * scale + shift).clamp(min=0)
        if stage < 4:
            x = F.max_pool2d(x, 2)
    assert x.shape == (2, 16, 2, 5)
    columns = [x[:, :, :, 0:2], x[:, :, :, 2:4], x[:, :, :, 4:]]
    expected = sum(part.flatten(2).max(dim=2).values for part in columns) / 3
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4)
