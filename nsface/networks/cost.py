"""What a network costs: parameters and multiply-adds."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Cost(NamedTuple):
    """What `count` finds.

    Attributes:
        parameters: elements of all parameters, frozen ones too, buffers not.
        multiply_adds: multiply-adds (MACs) for one image.
    """

    parameters: int
    multiply_adds: int


def count(network: nn.Module, height: int, width: int) -> Cost:
    """Parameters of `network`, and its multiply-adds for one image of `height` × `width`.

    Multiply-adds are those of the convolutions and linear layers, biases aside; the "FLOPs" of papers are
    these or twice these, some with the few per mille of the other layers. The network is run once on a
    blank image, on its own device (built under `torch.device("meta")` that takes no memory and no
    arithmetic), and is left as it was.
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
