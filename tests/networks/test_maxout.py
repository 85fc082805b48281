"""The maxout network against its configuration, and its forward pass against a second writing."""

import pytest
import torch
import torch.nn.functional as F

from nsface.networks import build, count
from nsface.networks.maxout import Maxout, map_side, maxout


def test_counts() -> None:
    """Three layers of 96, 192 and 192 units of two pieces, and 500 units of five; maps of 33, 15 and 9."""
    with torch.device("meta"):
        found = count(build("maxout", height=32, width=32, embedding_size=500), 32, 32)
    weights = [3 * 64 * 192, 96 * 64 * 384, 192 * 25 * 384, 192 * 25 * 2500]
    assert found.parameters == sum(weights) + 192 + 384 + 384 + 2500
    cells = [33**2, 15**2, 9**2, 1]
    assert found.multiply_adds == sum(w * c for w, c in zip(weights, cells, strict=True))


def test_a_unit_is_the_largest_of_its_pieces() -> None:
    x = torch.tensor([[1.0, -5.0, 0.0, 2.0, -7.0, 3.0]])  # three pieces of two units
    assert maxout(x, 3).tolist() == [[1.0, 3.0]]
    assert maxout(x, 2).tolist() == [[2.0, -5.0, 3.0]]
    assert maxout(torch.arange(24.0).reshape(1, 4, 3, 2), 2).flatten().tolist() == list(range(12, 24))


@pytest.mark.parametrize(("side", "cells"), [(16, 3), (17, 3), (28, 4), (32, 5), (96, 13), (112, 15)])
def test_the_size_of_the_last_map(side: int, cells: int) -> None:
    assert map_side(side) == cells
    x = torch.empty(1, 1, side, side, device="meta")
    for kernel, padding, pool in ((8, 4, 4), (8, 3, 4), (5, 3, 2)):
        x = F.conv2d(x, torch.empty(1, 1, kernel, kernel, device="meta"), padding=padding)
        x = F.max_pool2d(x, pool, stride=2, ceil_mode=True)
    assert x.shape == (1, 1, cells, cells)


def test_forward_equals_a_second_writing_of_it() -> None:
    torch.manual_seed(0)
    network = Maxout(height=32, width=19, embedding_size=7, channels=3).double().eval()
    w = network.state_dict()
    images = x = torch.randn(2, 3, 32, 19, dtype=torch.float64)
    for number, (units, padding, pool) in enumerate([(3, 4, 4), (6, 3, 4), (6, 3, 2)]):
        at = f"layers.{number}.conv"
        y = F.conv2d(x, w[f"{at}.weight"], w[f"{at}.bias"], padding=padding)
        y = torch.where(y[:, :units] > y[:, units:], y[:, :units], y[:, units:])
        rows, columns = -(-(y.shape[2] - pool) // 2) + 1, -(-(y.shape[3] - pool) // 2) + 1
        x = torch.empty(2, units, rows, columns, dtype=torch.float64)
        for row in range(rows):
            for column in range(columns):  # windows end at the borders
                window = y[:, :, 2 * row : 2 * row + pool, 2 * column : 2 * column + pool]
                x[:, :, row, column] = window.amax(dim=(2, 3))
    pieces = x.flatten(1) @ w["fc.weight"].T + w["fc.bias"]
    expected = pieces.reshape(2, 5, 7).max(dim=1).values
    torch.testing.assert_close(network(images), expected)


def test_dropout_reaches_the_embedding() -> None:
    """The inputs of the classifier are dropped too."""
    torch.manual_seed(0)
    network = Maxout(height=16, width=16, embedding_size=200, channels=2, dropout=0.25).train()
    embeddings = network(torch.randn(16, 3, 16, 16))
    assert (embeddings == 0).float().mean().item() == pytest.approx(0.25, abs=0.05)
