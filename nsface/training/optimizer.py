"""SGD over a network and its heads, each with its own learning rate."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nsface.recipe.sections import Optimizer

RATE_FACTOR = "rate_factor"  # of a group of parameters: its learning rate as a share of the schedule's


def make_optimizer(
    settings: Optimizer, heads: list[nn.Module], network: nn.Module | None = None
) -> torch.optim.SGD:
    """SGD over all parameters, with weight decay on matrices and convolutions alone.

    Biases, scales and shifts of normalisation, and PReLU slopes have none.

    Args:
        settings: of the recipe.
        heads: modules that have the learning rate of the schedule.
        network: has the `backbone_rate` of the settings times that rate.
    """
    # A checkpoint counts the parameters in this order: matrices before vectors, the network before the heads.
    decayed, spared = [], []
    for modules, factor in ([] if network is None else [network], settings.backbone_rate), (heads, 1.0):
        parameters = [parameter for module in modules for parameter in module.parameters()]
        matrices = [p for p in parameters if p.ndim > 1]
        vectors = [p for p in parameters if p.ndim <= 1]
        decayed.append({"params": matrices, "weight_decay": settings.weight_decay, RATE_FACTOR: factor})
        spared.append({"params": vectors, "weight_decay": 0.0, RATE_FACTOR: factor})
    return torch.optim.SGD(
        [group for group in decayed + spared if group["params"]],
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        fused=True,
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group of parameters its share of the schedule's `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[RATE_FACTOR]


def begin_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Let the momentum begin at 0 for all parameters that are to be trained now and have none yet.

    PyTorch's fused SGD would leave it uninitialised if the first step is skipped, and refuses a mixture of
    parameters with and without momentum in one group.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["momentum"] else ():
            if parameter.requires_grad and optimizer.state[parameter].get("momentum_buffer") is None:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Take the momentum over from `state`; the settings stay those of the recipe.

    nsface 0.3 saved the same parameters in the same order, but in other groups.

    Raises:
        ValueError, KeyError, TypeError: it is the state of another number of parameters, or no such state.
    """
    groups = optimizer.state_dict()["param_groups"]
    saved, own = ([n for group in g for n in group["params"]] for g in (state["param_groups"], groups))
    if saved != own:
        raise ValueError(f"{len(saved)} parameters in place of {len(own)}")
    optimizer.load_state_dict({"state": state["state"], "param_groups": groups})
