"""How weights of convolutions and linear layers are drawn at first."""

from __future__ import annotations

from torch import nn


def he_(layer: nn.Conv2d | nn.Linear) -> None:
    """Normal weights of variance 2 / fan-in, with zero bias: the rule of He et al. for ReLU, called MSRA.

    Source: He et al., Delving Deep into Rectifiers, ICCV 2015 (arXiv 1502.01852).
    """
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def caffe_xavier_(layer: nn.Conv2d | nn.Linear, bias: float = 0.0) -> None:
    """Caffe's "xavier" filler, uniform in ±√(3/fan_in), with a constant bias.

    Not torch's `xavier_uniform_`, which divides by the mean of fan-in and fan-out (BVLC/caffe: filler.hpp,
    whose default `variance_norm` is FAN_IN).
    """
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="linear")
    if layer.bias is not None:
        nn.init.constant_(layer.bias, bias)
