"""The Lightened CNN against its authors' files, and its forward pass against a second writing."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nsface.networks import build, count
from nsface.networks.lightened_cnn import LightenedCNN

# Of the authors' nine convolutions: inputs, filters, side of the kernel, side of the map for 128×128.
LAYERS = [
    (1, 96, 5, 128),
    (48, 96, 1, 64), (48, 192, 3, 64),
    (96, 192, 1, 32), (96, 384, 3, 32),
    (192, 384, 1, 16), (192, 256, 3, 16), (128, 256, 1, 16), (128, 256, 3, 16),
]  # fmt: skip


def test_counts_equal_those_of_the_published_network_with_two_more_input_channels() -> None:
    with torch.device("meta"):
        found = count(build("lightened-cnn", height=128, width=128, embedding_size=256), 128, 128)
    weights = [inputs * filters * side**2 for inputs, filters, side, _ in LAYERS]
    colour = 2 * 96 * 25
    flat = 8 * 8 * 128 * 512
    published = sum(weights) + sum(filters for _, filters, _, _ in LAYERS) + flat + 512
    assert found.parameters == published + colour
    cells = [side**2 for *_, side in LAYERS]
    multiply_adds = sum(w * c for w, c in zip(weights, cells, strict=True)) + colour * cells[0] + flat
    assert found.multiply_adds == multiply_adds


def test_forward_equals_a_second_writing_of_it() -> None:
    torch.manual_seed(0)
    network = LightenedCNN(height=37, width=49, embedding_size=5, channels=6).double().eval()
    parameters = [p.detach() for p in network.parameters()]

    def halved(x: Tensor) -> Tensor:
        half = x.shape[1] // 2
        return torch.where(x[:, :half] > x[:, half:], x[:, :half], x[:, half:])

    images = x = torch.randn(2, 3, 37, 49, dtype=torch.float64)
    *convolutions, (last, bias) = zip(parameters[::2], parameters[1::2], strict=True)
    for number, (weight, shift) in enumerate(convolutions):
        x = halved(F.conv2d(x, weight, shift, padding=weight.shape[2] // 2))
        if number in (0, 2, 4, 8):
            even = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), value=-torch.inf)
            x = torch.stack([even[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]).amax(dim=0)
    assert x.shape == (2, 16, 3, 4)
    torch.testing.assert_close(network(images), halved(x.flatten(1) @ last.T + bias))


def test_biases_start_at_a_tenth_and_weights_by_xavier() -> None:
    torch.manual_seed(0)
    for name, values in LightenedCNN(height=32, width=32).state_dict().items():
        if name.endswith("bias"):
            assert (values == 0.1).all(), name
        else:
            bound = (3 / values[0].numel()) ** 0.5
            assert 0.98 * bound < values.abs().max() <= bound, name


def test_dropout_reaches_the_embedding() -> None:
    torch.manual_seed(0)
    network = LightenedCNN(height=16, width=16, channels=3).train()
    embeddings = network(torch.randn(16, 3, 16, 16))
    assert (embeddings == 0).float().mean().item() == pytest.approx(0.75, abs=0.04)
