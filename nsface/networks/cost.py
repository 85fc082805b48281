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


class LayerCost(NamedTuple):
    """The work of a convolution or linear layer for one image.

    Attributes:
        multiply_adds: its multiply-adds (MACs), without the bias.
        inputs, outputs: elements that it reads and writes, besides its weights.
    """

    multiply_adds: int
    inputs: int
    outputs: int


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
    layers = layer_costs(network, height, width)
    return Cost(sum(p.numel() for p in network.parameters()), sum(layer.multiply_adds for layer in layers))


def layer_costs(network: nn.Module, height: int, width: int) -> list[LayerCost]:
    """The work of each convolution and linear layer of `network` for one image, in the order of their use.

    The network is run as in `count`.
    """
    found: list[LayerCost] = []

    def add(layer: nn.Conv2d | nn.Linear, inputs: tuple[Any, ...], output: Tensor) -> None:
        # One output element is the inner product of one filter, or one row of the matrix, with its inputs.
        work = output[0].numel() * layer.weight[0].numel()
        found.append(LayerCost(work, inputs[0][0].numel(), output[0].numel()))

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
    return found
