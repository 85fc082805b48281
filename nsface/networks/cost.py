"""The size and cost of a network: its parameters and multiply-adds."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Cost(NamedTuple):
    """The size and cost of a network, as `count` finds them.

    Attributes:
        parameters: number of elements of all parameters, with frozen ones and without buffers.
        multiply_adds: multiply-adds (MACs) for one image.
    """

    parameters: int
    multiply_adds: int


def count(network: nn.Module, height: int, width: int) -> Cost:
    """Parameters of `network`, and its multiply-adds for one image of `height` × `width`.

    Multiply-adds are those of the convolutions and linear layers, without biases. The "FLOPs" of papers are
    these or twice these, some with the few per mille of the other layers. The network is run once on a blank
    image, on its own device, and is not changed. (A network built under `torch.device("meta")` needs neither
    memory nor arithmetic for this.)

    Example:
        >>> from nsface.networks import SphereFace
        >>> count(SphereFace(height=112, width=96, depth=4), 112, 96).parameters
        12562496
    """
    total = 0

    def add(layer: nn.Conv2d | nn.Linear, inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal total
        # One output element is the inner product of one filter, or one row of the matrix, with its inputs.
        total += output[0].numel() * layer.weight[0].numel()

    modules = list(network.modules())
    training = [module.training for module in modules]
    hooks = [m.register_forward_hook(add) for m in modules if isinstance(m, nn.Conv2d | nn.Linear)]
    try:
        network.eval()  # one image is too few for batch statistics, and running ones must not move
        with torch.no_grad():
            network(next(network.parameters()).new_zeros(1, 3, height, width))
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in zip(modules, training, strict=True):
            module.training = mode
    return Cost(sum(p.numel() for p in network.parameters()), total)
