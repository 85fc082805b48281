"""The state of a training: what is checked of one that is restored, and its parts that ranks divide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nsface.heads import Head
from nsface.training.identity_rows import ROWS

AVERAGE = "ema"  # the key of the average of the network's weights, in the state of a run that has one


def checked_step(
    state: dict[str, Any], modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer
) -> int:
    """The step of `state`.

    Args:
        state: of a training whose head is not divided among ranks, or with the rows of this rank alone, which
            the key `ROWS` says.
        modules: what it is to be restored into, by the key of `state`; "head" is a `Head`.
        optimizer: over them.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, IndexError: the shape of a tensor is not that of the
            same tensor here, or it is no state.
    """
    head = modules["head"]
    assert isinstance(head, Head)
    shapes: dict[str, torch.Size] = {}
    shard, per_identity = None if ROWS in state else head.shard, head.parameters_by_identity()
    for part, module in modules.items():
        shapes |= {f"{part}.{name}": t.shape for name, t in module.state_dict().items()}
        for name, tensor in state[part].items():
            expected = shapes.pop(f"{part}.{name}")
            if part == "head" and shard is not None and name in per_identity:
                expected = torch.Size([shard.identities, *expected[1:]])
            if tensor.shape != expected:
                raise ValueError(f"{name}: {tensor.shape}")
    if shapes:
        raise ValueError(f"missing: {list(shapes)}")
    divided = {} if shard is None else {id(p): name for name, p in per_identity.items()}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for number, kept in state["optimizer"]["state"].items():
        parameter, momentum = parameters[number], kept["momentum_buffer"]
        whole = state["head"][divided[id(parameter)]] if id(parameter) in divided else parameter
        if momentum is not None and momentum.shape != whole.shape:
            raise ValueError(f"momentum {number}: {momentum.shape}")
    if type(state["step"]) is not int or state["step"] < 0:
        raise ValueError(f"step: {state['step']}")
    return int(state["step"])


def change_identity_rows(
    state: dict[str, Any], head: Head, optimizer: torch.optim.Optimizer, change: Callable[[Tensor], Tensor]
) -> None:
    """Apply `change` to every tensor in `state` with one row for each identity, with its momentum."""
    divided = head.parameters_by_identity()
    for name in divided:
        state["head"][name] = change(state["head"][name])
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    kept = state["optimizer"]["state"]
    for number, parameter in enumerate(parameters):
        if number in kept and any(parameter is weights for weights in divided.values()):
            kept[number] = {
                key: change(value) if isinstance(value, Tensor) else value
                for key, value in kept[number].items()
            }
