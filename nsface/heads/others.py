"""N: the log-sum-exp over the *other* identities, the one place where a head touches all of them.

Three exact forms of the same number. `plain` holds the (batch × classes) matrix of logits. `blocked` goes
through the classes in blocks that fit a cache, keeps a running maximum and sum, and computes each block
again in the backward pass: its memory does not grow with the number of classes. Where classes are divided
among ranks it is sharded: each rank goes through its own, and maximum and sum are those over all ranks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nsface.heads.shard import Shard

SMALLEST_NORM = 1e-12
# Elements of the (batch × classes) matrix from which on it is not kept, and those of a block of it.
PLAIN_LIMIT = 2**24
BLOCK = {"cpu": 2**20, "cuda": 2**26}


class Change(Protocol):
    """How a head changes the logits of other identities: elementwise, B × (classes) to the same."""

    def changed(self, logits: Tensor) -> Tensor: ...

    def slope(self, logits: Tensor) -> Tensor:
        """The derivative of `changed`, elementwise."""


@dataclass(frozen=True)
class Classes:
    """The class weights that features are multiplied with.

    Attributes:
        weight: C × D.
        bias: C, or none.
        unit: whether each weight is divided by its L2 norm.
        shard: which of all identities these are, where other ranks hold the others.
    """

    weight: Tensor
    bias: Tensor | None
    unit: bool
    shard: Shard | None = None

    def mean(self) -> tuple[Tensor, Tensor | float]:
        """W̄ of shape (D,), and b̄, over all identities."""
        if self.shard is None:
            return self.weight.mean(dim=0), 0.0 if self.bias is None else self.bias.mean()
        total, count = self.shard.total, self.shard.identities
        bias = 0.0 if self.bias is None else total(self.bias.sum()) / count
        return total(self.weight.sum(dim=0)) / count, bias


def inverse(norm: Tensor) -> Tensor:
    """1 / `norm`; 0 where that is 0, so that what has no direction gives cosine 0 and a gradient of 0."""
    return torch.where(norm > SMALLEST_NORM, 1 / norm.clamp_min(SMALLEST_NORM), 0)


def rows(classes: Classes, labels: Tensor) -> tuple[Tensor, Classes]:
    """The class weights of `labels`, B × D, and the classes to go on with.

    Whoever uses those and not `classes` has a single C × D gradient: that of the rows is added to it in
    place. Autograd by itself would make one of each, and their sum.
    """
    shard = classes.shard
    own, weight = _Rows.apply(classes.weight, labels if shard is None else shard.nearest(labels))
    own = own if shard is None else shard.exchanged(own, labels)
    return own, replace(classes, weight=weight)


def taken(values: Tensor, classes: Classes, labels: Tensor) -> Tensor:
    """`values[labels]` of weights or biases of `classes`."""
    if classes.shard is None:
        return values[labels]
    return classes.shard.exchanged(values[classes.shard.nearest(labels)], labels)


def form(samples: int, identities: int) -> str:
    """Which of the forms, "plain" or "blocked", a batch of `samples` is computed in."""
    return "plain" if samples * identities <= PLAIN_LIMIT else "blocked"


def others(
    features: Tensor, classes: Classes, labels: Tensor, change: Change | None = None
) -> tuple[Tensor, Tensor]:
    """N, and the highest logit before any change, over the identities other than the label; each (B,).

    Args:
        features: B × D, as they are multiplied with the class weights.
        labels: B, int64 in [0, C).
        change: what the head does to the other logits.
    """
    if classes.shard is None and form(len(features), len(classes.weight)) == "plain":
        return plain(features, classes, labels, change)
    return blocked(features, classes, labels, change)


def plain(
    features: Tensor, classes: Classes, labels: Tensor, change: Change | None = None
) -> tuple[Tensor, Tensor]:
    """`others` by way of the whole matrix of logits."""
    weight = classes.weight
    if classes.unit:
        weight = weight * inverse(weight.norm(dim=1))[:, None]
    logits = nn.functional.linear(features, weight, classes.bias)
    highest = logits.detach().scatter(1, labels[:, None], -torch.inf).amax(dim=1)
    if change is not None:
        logits = change.changed(logits)
    return logits.scatter(1, labels[:, None], -torch.inf).logsumexp(dim=1), highest


def blocked(
    features: Tensor,
    classes: Classes,
    labels: Tensor,
    change: Change | None = None,
    block: int | None = None,
) -> tuple[Tensor, Tensor]:
    """`others` without the matrix of logits: `block` classes at a time; over all ranks, if divided."""
    block = block or max(1, BLOCK[features.device.type] // len(features))
    sharded = classes.shard is not None
    labels = labels if classes.shard is None else classes.shard.local(labels)
    n, highest = _Blocked.apply(
        features, classes.weight, classes.bias, labels, classes.unit, change, block, sharded
    )
    return n, highest


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(labels)
        ctx.shape = weight.shape
        ctx.set_materialize_grads(False)
        return weight[labels], weight.view_as(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_rows: Tensor | None, of_weight: Tensor | None) -> tuple[Tensor | None, None]:
        (labels,) = ctx.saved_tensors
        if of_rows is None:
            return of_weight, None
        if of_weight is None:
            of_weight = of_rows.new_zeros(ctx.shape)
        # with accumulate=True this is deterministic, on CUDA too, where identities repeat
        return of_weight.index_put_((labels,), of_rows, accumulate=True), None


class _Blocked(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        labels: Tensor,
        unit: bool,
        change: Change | None,
        block: int,
        sharded: bool,
    ) -> tuple[Tensor, Tensor]:
        lowest = torch.finfo(features.dtype).min
        top = features.new_full((len(features),), lowest)  # of the logits as changed: keeps exp in range
        total = torch.zeros_like(top)
        highest = top
        for part in _parts(features, Classes(weight, bias, unit), block):
            logits = part.logits
            if change is not None:
                highest = torch.maximum(highest, part.without(labels, logits).amax(dim=1))
                logits = change.changed(logits)
            logits = part.without(labels, logits)
            rise = torch.maximum(top, logits.amax(dim=1))
            total = total * (top - rise).exp() + logits.sub_(rise[:, None]).exp_().sum(dim=1)
            top = rise
        highest = top if change is None else highest
        if sharded:
            extremes = torch.stack((top, highest))
            dist.all_reduce(extremes, dist.ReduceOp.MAX)
            total *= (top - extremes[0]).exp()
            dist.all_reduce(total)
            top, highest = extremes
        n = top + total.log()
        ctx.save_for_backward(features, weight, bias, labels, n)
        ctx.unit, ctx.change, ctx.block, ctx.sharded = unit, change, block, sharded
        ctx.mark_non_differentiable(highest)
        return n, highest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, bias, labels, n = ctx.saved_tensors
        of_features, of_weight = torch.zeros_like(features), torch.empty_like(weight)
        of_bias = None if bias is None else torch.empty_like(bias)
        weighted = features * gradient[:, None]
        with torch.autocast(features.device.type, enabled=False):
            for part in _parts(features, Classes(weight, bias, ctx.unit), ctx.block):
                slope = None if ctx.change is None else ctx.change.slope(part.logits)
                logits = part.logits if ctx.change is None else ctx.change.changed(part.logits)
                share = part.without(labels, logits).sub_(n[:, None]).exp_()  # ∂N/∂(changed logit)
                if slope is not None:
                    share *= slope
                of_features.addmm_(share, part.weight)
                torch.mm(share.T, weighted, out=of_weight[part.slice])
                part.through_norm_(of_weight[part.slice])
                if of_bias is not None:
                    of_bias[part.slice] = gradient @ share
        of_features *= gradient[:, None]
        if ctx.sharded:
            dist.all_reduce(of_features)
        return of_features, of_weight, of_bias, None, None, None, None, None


@dataclass(frozen=True)
class _Part:
    """A block of classes.

    Attributes:
        slice: which of all classes.
        weight: their weights as the features meet them (of length 1 where `inverse_norm` is given).
        inverse_norm: 1 / ‖W_j‖ where weights are normalised.
        logits: B × (classes of the block).
    """

    slice: slice
    weight: Tensor
    inverse_norm: Tensor | None
    logits: Tensor

    def without(self, labels: Tensor, logits: Tensor) -> Tensor:
        """`logits`, in place, with −∞ for each sample's own identity where that is in this block."""
        column = labels - self.slice.start
        outside = (column < 0) | (column >= logits.shape[1])
        column = column.clamp(0, logits.shape[1] - 1)[:, None]
        kept = logits.gather(1, column).masked_fill_(~outside[:, None], -torch.inf)
        return logits.scatter_(1, column, kept)

    def through_norm_(self, gradient: Tensor) -> None:
        """Turn the gradient by W_j / ‖W_j‖ into that by W_j, in place."""
        if self.inverse_norm is not None:
            along = (gradient * self.weight).sum(dim=1, keepdim=True)
            gradient.sub_(along * self.weight).mul_(self.inverse_norm[:, None])


def _parts(features: Tensor, classes: Classes, block: int) -> Iterator[_Part]:
    for start in range(0, len(classes.weight), block):
        here = slice(start, min(start + block, len(classes.weight)))
        weight, inverse_norm = classes.weight[here], None
        if classes.unit:
            inverse_norm = inverse(weight.norm(dim=1))
            weight = weight * inverse_norm[:, None]
        bias = None if classes.bias is None else classes.bias[here]
        yield _Part(here, weight, inverse_norm, nn.functional.linear(features, weight, bias))
