"""Network in Network against a published count, and its forward pass against a second writing."""

import torch
import torch.nn.functional as F

from nsface.heads import Softmax
from nsface.networks import build, count
from nsface.networks.nin import NIN

# Inputs, outputs and side of the kernel of the eight convolutions before the classifier.
LAYERS = [
    (3, 192, 5), (192, 160, 1), (160, 96, 1),
    (96, 192, 5), (192, 192, 1), (192, 192, 1),
    (192, 192, 3), (192, 192, 1),
]  # fmt: skip
SIDES = [32] * 3 + [16] * 3 + [8] * 2


def test_counts() -> None:
    """With the classifier of ten classes 966,986 parameters: osmr/imgclsmob, table of CIFAR-10."""
    with torch.device("meta"):
        found = count(build("nin", height=32, width=32, embedding_size=192), 32, 32)
    weights = [inputs * outputs * side**2 for inputs, outputs, side in LAYERS]
    assert found.parameters == sum(weights) + sum(outputs for _, outputs, _ in LAYERS)
    assert found.parameters + 192 * 10 + 10 == 966_986
    assert found.multiply_adds == sum(w * side**2 for w, side in zip(weights, SIDES, strict=True))


def test_with_a_softmax_head_it_is_the_published_network() -> None:
    """But for the last ReLU: nine convolutions and the mean over the map."""
    torch.manual_seed(0)
    network = NIN(height=32, width=25, embedding_size=12, channels=12).double().eval()
    head = Softmax(12, 5, bias=True).double()
    assert head.bias is not None
    torch.nn.init.normal_(head.weight)
    torch.nn.init.normal_(head.bias)
    parameters = [p.detach() for p in network.parameters()]
    images = x = torch.randn(2, 3, 32, 25, dtype=torch.float64)
    for number, (weight, bias) in enumerate(zip(parameters[::2], parameters[1::2], strict=True)):
        x = torch.relu(F.conv2d(x, weight, bias, padding=weight.shape[2] // 2))
        if number in (2, 5):  # ends of blocks
            padded = F.pad(x, (0, 2, 0, 2), value=-torch.inf)  # so that the windows reach the last pixels
            windows = padded.unfold(2, 3, 2).unfold(3, 3, 2)
            x = windows.amax(dim=(-2, -1))[:, :, : x.shape[2] // 2, : x.shape[3] // 2]
    assert x.shape[2:] == (8, 6)
    logits = F.conv2d(x, head.weight[:, :, None, None], head.bias).mean(dim=(2, 3))
    found = network(images) @ head.weight.T + head.bias
    torch.testing.assert_close(found, logits)
