"""Counting on networks small enough to count by hand."""

import pytest
import torch
from torch import nn

from nsface.networks import build, count


def test_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),  # 8·3·9 + 8 parameters; 5·4 cells of 8·3·9
        nn.BatchNorm2d(8),  # 16 parameters, and buffers that are none
        nn.PReLU(8),  # 8
        nn.Conv2d(8, 6, (1, 3), groups=2, bias=False),  # 6·4·3; 5·2 cells of as many
        nn.Flatten(),
        nn.Linear(6 * 5 * 2, 7),  # 420 + 7; 420
    )
    cost = count(network, 10, 8)
    assert cost.parameters == (216 + 8) + 16 + 8 + 72 + (420 + 7)
    assert cost.multiply_adds == 20 * 216 + 10 * 72 + 420


def test_a_layer_used_twice_is_stored_once_and_run_twice() -> None:
    conv = nn.Conv2d(3, 3, 1, bias=False)
    assert count(nn.Sequential(conv, conv), 4, 5) == (9, 2 * 20 * 9)


def test_meta_and_real_networks_cost_the_same() -> None:
    with torch.device("meta"):
        shapes = build("iresnet-18", height=32, width=48)
    assert count(shapes, 32, 48) == count(build("iresnet-18", height=32, width=48), 32, 48)


def test_the_network_is_left_as_it_was() -> None:
    network = build("iresnet-18", height=32, width=32).train()
    network.get_submodule("layer1").eval()
    modes = [module.training for module in network.modules()]
    state = {key: value.clone() for key, value in network.state_dict().items()}
    generator = torch.get_rng_state()
    count(network, 32, 32)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.equal(torch.get_rng_state(), generator)


def test_the_network_is_left_as_it_was_after_a_failure() -> None:
    network = build("sphereface-4", height=32, width=32).train()
    with pytest.raises(RuntimeError):
        count(network, 64, 64)
    assert all(module.training for module in network.modules())
    assert not any(module._forward_hooks for module in network.modules())
