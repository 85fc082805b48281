"""All-CNN-C against the paper's table, and its forward pass against a second writing."""

import torch
import torch.nn.functional as F

from nsface.heads import Softmax
from nsface.networks import build, count
from nsface.networks.all_cnn import AllCNN

# Inputs, outputs, side of the kernel, and side of the map that comes out; strides are 1 or 2.
LAYERS = [
    (3, 96, 3, 32), (96, 96, 3, 32), (96, 96, 3, 16),
    (96, 192, 3, 16), (192, 192, 3, 16), (192, 192, 3, 8),
    (192, 192, 3, 6), (192, 192, 1, 6),
]  # fmt: skip


def test_counts() -> None:
    with torch.device("meta"):
        found = count(build("all-cnn-c", height=32, width=32, embedding_size=192), 32, 32)
    weights = [inputs * outputs * side**2 for inputs, outputs, side, _ in LAYERS]
    assert found.parameters == sum(weights) + sum(outputs for _, outputs, _, _ in LAYERS)
    assert found.parameters + 192 * 10 + 10 == 1_369_738  # about 1.4 M, says section 3.1
    assert found.multiply_adds == sum(w * cells**2 for w, (*_, cells) in zip(weights, LAYERS, strict=True))


def test_with_a_softmax_head_it_is_the_published_network() -> None:
    """But for the last ReLU: nine convolutions and the mean over 6×6 positions."""
    torch.manual_seed(0)
    network = AllCNN(height=32, width=32, embedding_size=8, channels=4).double().eval()
    head = Softmax(8, 5, bias=True).double()
    assert head.bias is not None
    torch.nn.init.normal_(head.weight)
    torch.nn.init.normal_(head.bias)
    parameters = [p.detach() for p in network.parameters()]
    images = x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    before = 32
    for (_, _, side, cells), weight, bias in zip(LAYERS, parameters[::2], parameters[1::2], strict=True):
        padding = 1 if side == 3 and cells != 6 else 0
        x = torch.relu(F.conv2d(x, weight, bias, stride=2 if cells == before / 2 else 1, padding=padding))
        assert x.shape[2:] == (cells, cells)
        before = cells
    logits = F.conv2d(x, head.weight[:, :, None, None], head.bias).mean(dim=(2, 3))
    found = network(images) @ head.weight.T + head.bias
    torch.testing.assert_close(found, logits)
