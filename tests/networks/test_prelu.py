"""PReLU against PyTorch's own, whose gradients are exact in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nsface.networks import prelu
from nsface.networks.prelu import PReLU

SHAPES = [(5, 3, 4, 6), (1, 8, 2, 2), (7, 4), (0, 3, 2, 2)]


def passed(layer: nn.Module, x: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The output, and the gradients by x and by the slopes."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    layer.zero_grad()
    output = layer(x)
    output.backward(upstream)
    slopes = next(layer.parameters())
    assert x.grad is not None
    assert slopes.grad is not None
    return output.detach(), x.grad, slopes.grad.clone()


@pytest.mark.parametrize("piece", [1, 30, 2**18])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_numbers_of_pytorch(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, shape: tuple[int, ...], piece: int
) -> None:
    monkeypatch.setattr(prelu, "_PIECE", piece)
    torch.manual_seed(0)
    x, upstream = torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)
    x.view(-1)[::3] = 0
    if len(shape) == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    ours, plain = PReLU(shape[1]).to(dtype), nn.PReLU(shape[1]).to(dtype)
    ours.weight.data.uniform_(-1, 1)
    plain.load_state_dict(ours.state_dict())
    output, by_x, by_slopes = passed(ours, x, upstream)
    right, right_by_x, _ = passed(plain, x, upstream)
    assert torch.equal(output, right)
    assert torch.equal(by_x, right_by_x)
    assert by_x.stride() == x.stride()
    _, _, exact = passed(plain.double(), x.double(), upstream.double())
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.02}[dtype]
    torch.testing.assert_close(by_slopes.double(), exact, rtol=tolerance, atol=tolerance)


def test_frozen_slopes_and_inputs_without_a_gradient() -> None:
    layer, x = PReLU(3), torch.randn(2, 3, requires_grad=True)
    layer.weight.requires_grad_(False)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None
    layer.weight.requires_grad_(True)
    layer(x.detach()).sum().backward()
    assert layer.weight.grad is not None


def test_bfloat16_under_autocast_and_the_same_numbers_in_eval_mode() -> None:
    layer, x = PReLU(3), torch.randn(2, 3, 4, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        trained = layer(x)
        used = layer.eval()(x)
    assert trained.dtype == torch.bfloat16
    assert torch.equal(trained, used)
