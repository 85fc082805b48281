"""The optimiser: who is decayed, at which rate, and what it takes over from a checkpoint."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nsface.heads import Softmax
from nsface.recipe.sections import Optimizer
from nsface.training.optimizer import make_optimizer, restore_optimizer, set_rate


def test_weight_decay_spares_vectors() -> None:
    head = Softmax(4, 3, bias=True)
    modules = [nn.PReLU(4), nn.BatchNorm2d(4), head]
    decayed, spared = make_optimizer(Optimizer(weight_decay=5e-4), modules).param_groups
    assert decayed["params"] == [head.weight]
    assert decayed["weight_decay"] == 5e-4
    assert len(spared["params"]) == 4
    assert spared["weight_decay"] == 0


@pytest.mark.parametrize("nesterov", [False, True])
def test_three_steps_by_hand(nesterov: bool) -> None:
    """The network at a quarter of the rate, its decay included; the head at the rate itself."""
    settings = Optimizer(momentum=0.9, nesterov=nesterov, weight_decay=0.01, backbone_rate=0.25)
    network, head = nn.Linear(3, 4), Softmax(4, 2)
    trained = [
        (network.weight, 0.25, 0.01), (network.bias, 0.25, 0.0), (head.weight, 1.0, 0.01)
    ]  # fmt: skip
    expected = [parameter.detach().clone() for parameter, _, _ in trained]
    momentum = [torch.zeros_like(parameter) for parameter, _, _ in trained]
    optimizer = make_optimizer(settings, [head], network)
    for rate in (0.5, 0.3, 0.1):
        for number, (parameter, share, decay) in enumerate(trained):
            parameter.grad = torch.randn_like(parameter)
            gradient = parameter.grad + decay * expected[number]
            momentum[number] = 0.9 * momentum[number] + gradient
            change = gradient + 0.9 * momentum[number] if nesterov else momentum[number]
            expected[number] -= share * rate * change
        set_rate(optimizer, rate)
        optimizer.step()
    for (parameter, _, _), by_hand in zip(trained, expected, strict=True):
        torch.testing.assert_close(parameter.detach(), by_hand, rtol=1e-5, atol=1e-6)


def test_momentum_saved_in_two_groups_is_taken_over() -> None:
    """nsface 0.3 had one group of matrices and one of vectors, of network and head together."""
    network, head = nn.Linear(3, 4), Softmax(4, 2)
    parameters = [network.weight, head.weight, network.bias]
    former = torch.optim.SGD([{"params": parameters[:2]}, {"params": parameters[2:]}], lr=0.1, momentum=0.9)
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    former.step()
    optimizer = make_optimizer(Optimizer(learning_rate=0.2), [head], network)
    restore_optimizer(optimizer, former.state_dict())
    for parameter in parameters:
        momentum = optimizer.state[parameter]["momentum_buffer"]
        assert torch.equal(momentum, former.state[parameter]["momentum_buffer"])
    assert [group["lr"] for group in optimizer.param_groups] == [0.2] * 3
    with pytest.raises(ValueError, match="3 parameters in place of 4"):
        restore_optimizer(
            make_optimizer(Optimizer(), [Softmax(4, 2, bias=True)], network), former.state_dict()
        )
