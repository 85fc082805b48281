"""Products of features and class weights whose factors are rounded to bfloat16, with sums in float32."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nsface.private_torch import bfloat16_product


def product(left: Tensor, right: Tensor, factors: torch.dtype | None, out: Tensor | None = None) -> Tensor:
    """The matrix product `left` · `right`, of their type.

    Args:
        left: M × K.
        right: K × N.
        factors: the type that both are rounded to; sums and result keep the type of `left`. None: they are
            not rounded.
        out: where the result is written, M × N.
    """
    if factors is None:
        return torch.mm(left, right, out=out)
    left_rounded, right_rounded = left.to(factors), right.to(factors)
    if left.is_cuda and left.dtype == torch.float32:
        return bfloat16_product(left_rounded, right_rounded, out)
    # Products of rounded factors are exact in float32. bfloat16 products of CPUs would round the sums too.
    return torch.mm(left_rounded.to(left.dtype), right_rounded.to(left.dtype), out=out)


def linear(features: Tensor, weight: Tensor, bias: Tensor | None, factors: torch.dtype | None) -> Tensor:
    """`features` · `weight`ᵀ + `bias`, B × C, of `features` B × D and `weight` C × D.

    Its products, and those of the backward pass, are those of `product`.
    """
    if factors is None:
        return nn.functional.linear(features, weight, bias)
    logits: Tensor = _RoundedLinear.apply(features, weight, factors)
    return logits if bias is None else logits + bias


class _RoundedLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, factors: torch.dtype) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.factors = factors
        return product(features, weight.T, factors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, weight = ctx.saved_tensors
        by_features = product(gradient, weight, ctx.factors) if ctx.needs_input_grad[0] else None
        by_weight = product(gradient.T, features, ctx.factors) if ctx.needs_input_grad[1] else None
        return by_features, by_weight, None
