"""The shortcut's convolution against PyTorch's strided one, where that is sound: in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nsface.networks import NETWORKS, build
from nsface.networks.shortcut import SubsampledConv2d


def pair(inputs: int, outputs: int) -> tuple[SubsampledConv2d, nn.Conv2d]:
    """Ours, and PyTorch's strided convolution with its weights, loaded by their name, in float64."""
    ours, plain = SubsampledConv2d(inputs, outputs), nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
    plain.load_state_dict(ours.state_dict())
    return ours, plain.double()


@settings(max_examples=60)
@given(
    inputs=st.integers(1, 20),
    outputs=st.integers(1, 20),
    height=st.integers(1, 31),
    width=st.integers(1, 31),
    batch=st.sampled_from([1, 2, 8]),
    seed=st.integers(0, 99),
)
def test_numbers_of_the_strided_convolution(
    inputs: int, outputs: int, height: int, width: int, batch: int, seed: int
) -> None:
    torch.manual_seed(seed)
    ours, plain = pair(inputs, outputs)
    maps = torch.randn(batch, inputs, height, width)
    exact = maps.double().requires_grad_()
    expected = plain(exact)
    upstream = torch.randn(expected.shape)
    expected.backward(upstream.double())
    assert plain.weight.grad is not None
    assert exact.grad is not None
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.02)):
        ours.zero_grad()
        last = maps.clone(memory_format=torch.channels_last).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            found = ours(last)
        assert found.dtype == dtype
        found.backward(upstream.to(dtype))
        assert ours.weight.grad is not None
        assert last.grad is not None
        for mine, right in (
            (found, expected),
            (last.grad, exact.grad),
            (ours.weight.grad, plain.weight.grad),
        ):
            scale = right.abs().max().item()
            torch.testing.assert_close(mine.double(), right, rtol=0, atol=tolerance * max(scale, 1))


def test_weights_are_drawn_as_the_strided_convolution_draws_them() -> None:
    torch.manual_seed(3)
    ours = SubsampledConv2d(5, 7)
    torch.manual_seed(3)
    plain = nn.Conv2d(5, 7, 1, stride=2, bias=False)
    assert torch.equal(ours.weight, plain.weight)


def test_pixels_are_taken_without_rounding() -> None:
    # 0.1 and its like times 1, through the identity
    ours = SubsampledConv2d(3, 3)
    ours.weight.data.copy_(torch.eye(3)[:, :, None, None])
    maps = torch.rand(2, 3, 9, 8)
    assert torch.equal(ours(maps), maps[:, :, ::2, ::2])


@pytest.mark.parametrize("name", NETWORKS)
def test_no_network_has_a_strided_convolution_of_one_pixel(name: str) -> None:
    def refuse(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, nn.Conv2d)
        assert layer.kernel_size != (1, 1) or layer.stride == (1, 1)

    with torch.device("meta"):
        network = build(name, height=32, width=32, embedding_size=4)
        convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        for convolution in convolutions:
            convolution.register_forward_pre_hook(refuse)
        network(torch.empty(2, 3, 32, 32))
    assert convolutions
