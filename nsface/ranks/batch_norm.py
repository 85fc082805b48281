"""Batch normalisation over the slices of all ranks.

PyTorch's `SyncBatchNorm` is for GPUs alone; `SharedBatchNorm` does the same for tensors in host memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_alone = False  # whether nothing is exchanged


def share_batch_norm(network: nn.Module, device: torch.device, compiled: bool = False) -> nn.Module:
    """`network`, changed so that it normalises over the slices of all ranks together while it trains.

    Its parameters and buffers stay the same tensors, of the same names.

    Args:
        network: has no batch normalisation but `BatchNorm1d` and `BatchNorm2d`, and is none by itself.
        device: where it is going to be.
        compiled: whether the rest of it is going to be compiled.
    """
    if device.type == "cuda" and not compiled:
        return cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(network))
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            parent, _, child = name.rpartition(".")
            kind = _uncompiled() if compiled else SharedBatchNorm
            setattr(network.get_submodule(parent), child, kind(module))
    return network


@contextmanager
def alone() -> Iterator[None]:
    """Within this context nothing is exchanged: each rank normalises over its own slice of a batch."""
    global _alone
    _alone = True
    try:
        yield
    finally:
        _alone = False


def _ranks() -> int:
    """How many ranks normalise together."""
    return 1 if _alone else dist.get_world_size()


class SharedBatchNorm(nn.Module):
    """Batch normalisation over the slices of all ranks, which are of one shape, N × C or N × C × ….

    In train mode all ranks must call the forward pass, and the backward pass, together. Mean and variance are
    those of the whole batch, so that the output, the gradients and the running statistics are those of one
    process with the whole batch, up to rounding. In eval mode nothing is exchanged.

    Args:
        norm: what it takes the place of, with running statistics; its parameters and buffers are used on.
    """

    num_batches_tracked: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        super().__init__()
        self.eps, self.momentum = norm.eps, norm.momentum
        self.weight, self.bias = norm.weight, norm.bias
        for name, buffer in norm.named_buffers():
            self.register_buffer(name, buffer)
        self.train(norm.training)

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            statistics = self.running_mean, self.running_var
            return nn.functional.batch_norm(values, *statistics, self.weight, self.bias, eps=self.eps)
        normalised, mean, variance = _Normalise.apply(values, self.weight, self.bias, self.eps)
        self._track(mean, variance, _ranks() * values.numel() // values.shape[1])
        return cast(Tensor, normalised)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Let the running statistics follow those of a batch with `count` values in each channel."""
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_((variance * (count / (count - 1))).to(self.running_var), share)


class _UncompiledBatchNorm(SharedBatchNorm):
    """The same, which stays outside of compiled graphs: the compiler knows nothing of other ranks."""


def _uncompiled() -> type[SharedBatchNorm]:
    """The class, made ready here: what it needs loads the compiler, which takes seconds."""
    if _UncompiledBatchNorm.forward is SharedBatchNorm.forward:
        uncompiled = torch.compiler.disable(SharedBatchNorm.forward)
        _UncompiledBatchNorm.forward = uncompiled  # type: ignore[method-assign]
    return _UncompiledBatchNorm


class _Normalise(torch.autograd.Function):
    """The normalised values, and the mean and variance of the batch, without gradients."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        exact = _exact(values)
        own_variance, own_mean = torch.var_mean(exact, _all_but_channels(values), correction=0)
        parts = [torch.stack((own_mean, own_variance)) for _ in range(_ranks())]
        if len(parts) > 1:
            dist.all_gather(parts, parts[0].clone())
        ctx.ranks = len(parts)
        means, variances = torch.stack(parts).unbind(1)
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)
        ctx.save_for_backward(values, weight, mean, (variance + eps).rsqrt())
        ctx.mark_non_differentiable(mean, variance)
        return nn.functional.batch_norm(values, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        values, weight, mean, scale = ctx.saved_tensors
        dims, exact = _all_but_channels(values), _exact(gradient)
        centred = _exact(values) - _by_channel(mean, values)
        own = torch.stack((exact.sum(dims), (exact * centred).sum(dims)))
        means = own.clone()
        if ctx.ranks > 1:
            dist.all_reduce(means)
        means /= ctx.ranks * values.numel() // values.shape[1]
        along = centred.mul_(_by_channel(means[1] * scale.square(), values))
        factor = scale if weight is None else scale * weight
        for_values = (exact - _by_channel(means[0], values)).sub_(along).mul_(_by_channel(factor, values))
        for_weight, for_bias = (None, None) if weight is None else (own[1] * scale, own[0])
        return for_values.to(values.dtype), for_weight, for_bias, None


def _exact(values: Tensor) -> Tensor:
    """`values` in float32, or float64 where that is their type."""
    return values if values.dtype == torch.float64 else values.float()


def _all_but_channels(values: Tensor) -> list[int]:
    return [dim for dim in range(values.ndim) if dim != 1]


def _by_channel(numbers: Tensor, values: Tensor) -> Tensor:
    """`numbers`, one for each channel, in a shape that is broadcast to that of `values`."""
    return numbers.view(-1, *[1] * (values.ndim - 2))
