"""N: the log-sum-exp over the *other* identities, the one place where a head touches all of them.

The same number is computed in three exact forms. The plain form holds the (batch × classes) matrix of logits.
The blocked form goes through the classes in blocks that fit a cache, keeps a running maximum and sum, and
computes each block again in the backward pass: its memory does not grow with the number of classes. The
sharded form is for classes that are divided among ranks: each rank goes through its own classes in blocks,
and the maximum and the sum are exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from nsface.heads.products import linear, product
from nsface.heads.shard import Shard
from nsface.norms import inverse_norm

# The (batch × classes) matrix of logits is held whole up to this number of elements.
PLAIN_LIMIT = 2**24
# A block of that matrix has about this number of elements, by type of device.
BLOCK = {"cpu": 2**20, "cuda": 2**26}


class LogitChange(Protocol):
    """How a head changes the logits of the other identities: an elementwise function and its derivative."""

    def apply(self, logits: Tensor) -> Tensor:
        """The changed logits, of the shape of `logits`: B × (classes of a block)."""

    def derivative(self, logits: Tensor) -> Tensor:
        """The derivative of `apply` at `logits`, of the same shape."""


@dataclass(frozen=True)
class Classes:
    """The class weights that the features are multiplied with.

    Attributes:
        weight: one row for each class, C × D.
        bias: one number for each class, of shape (C,), or None.
        unit: whether each row is divided by its L2 norm before it is used.
        shard: which of all identities these classes are, where several ranks hold a part each; else None.
        factors: the type that features and class weights are rounded to where they are multiplied (see
            `nsface.heads.products`); None: they are not rounded.
    """

    weight: Tensor
    bias: Tensor | None
    unit: bool
    shard: Shard | None = None
    factors: torch.dtype | None = None

    def mean(self) -> tuple[Tensor, Tensor | float]:
        """The mean W̄ of the weights, of shape (D,), and the mean b̄ of the biases, over all identities."""
        if self.shard is None:
            return self.weight.mean(dim=0), 0.0 if self.bias is None else self.bias.mean()
        total, count = self.shard.sum_over_ranks, self.shard.identities
        bias = 0.0 if self.bias is None else total(self.bias.sum()) / count
        return total(self.weight.sum(dim=0)) / count, bias


def label_weights(classes: Classes, labels: Tensor) -> tuple[Tensor, Classes]:
    """The class weights of `labels`, B × D, and `classes` again, to be used from here on.

    Where the returned classes are used in place of the given ones, there is a single C × D gradient: the
    gradient of the gathered rows is added to it in place. Autograd by itself would allocate one gradient for
    each use, and one more for their sum.
    """
    shard = classes.shard
    rows = labels if shard is None else shard.clamped_position(labels)
    gathered, weight = _GatherRows.apply(classes.weight, rows)
    gathered = gathered if shard is None else shard.collect_rows(gathered, labels)
    return gathered, replace(classes, weight=weight)


def gather_rows(values: Tensor, classes: Classes, labels: Tensor) -> Tensor:
    """`values[labels]`, where `values` are the weights or biases of `classes`, from all ranks if divided."""
    if classes.shard is None:
        return values[labels]
    return classes.shard.collect_rows(values[classes.shard.clamped_position(labels)], labels)


def classifier_form(samples: int, identities: int) -> str:
    """The form, "plain" or "blocked", in which a batch of `samples` meets so many `identities`."""
    return "plain" if samples * identities <= PLAIN_LIMIT else "blocked"


def reduce_other_identities(
    features: Tensor, classes: Classes, labels: Tensor, change: LogitChange | None = None
) -> tuple[Tensor, Tensor]:
    """N and the highest logit, over the identities other than the label.

    Args:
        features: B × D, scaled as they are multiplied with the class weights.
        classes: the class weights; where they are divided among ranks, those of this rank.
        labels: of shape (B,), int64 in [0, C).
        change: what the head does to the logits of the other identities; None: nothing.

    Returns:
        N of the changed logits, and the highest logit before the change (without a gradient); each of shape
        (B,).
    """
    if classes.shard is None and classifier_form(len(features), len(classes.weight)) == "plain":
        return reduce_plain(features, classes, labels, change)
    return reduce_blocked(features, classes, labels, change)


def reduce_plain(
    features: Tensor, classes: Classes, labels: Tensor, change: LogitChange | None = None
) -> tuple[Tensor, Tensor]:
    """`reduce_other_identities` in the plain form: with the whole matrix of logits."""
    weight = classes.weight
    if classes.unit:
        weight = weight * inverse_norm(weight.norm(dim=1))[:, None]
    logits = linear(features, weight, classes.bias, classes.factors)
    highest = logits.detach().scatter(1, labels[:, None], -torch.inf).amax(dim=1)
    if change is not None:
        logits = change.apply(logits)
    return logits.scatter(1, labels[:, None], -torch.inf).logsumexp(dim=1), highest


def reduce_blocked(
    features: Tensor,
    classes: Classes,
    labels: Tensor,
    change: LogitChange | None = None,
    block_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """`reduce_other_identities` in the blocked form, `block_size` classes at a time, or the sharded form."""
    block_size = block_size or max(1, BLOCK[features.device.type] // len(features))
    labels = labels if classes.shard is None else classes.shard.position(labels)
    form = _Form(classes.unit, change, block_size, classes.shard is not None, classes.factors)
    n, highest = _Blocked.apply(features, classes.weight, classes.bias, labels, form)
    return n, highest


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(labels)
        ctx.shape = weight.shape
        ctx.set_materialize_grads(False)
        return weight[labels], weight.view_as(weight)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, row_gradient: Tensor | None, weight_gradient: Tensor | None
    ) -> tuple[Tensor | None, None]:
        (labels,) = ctx.saved_tensors
        if row_gradient is None:
            return weight_gradient, None
        if weight_gradient is None:
            weight_gradient = row_gradient.new_zeros(ctx.shape)
        # with accumulate=True this is deterministic, on CUDA too, where identities repeat
        return weight_gradient.index_put_((labels,), row_gradient, accumulate=True), None


@dataclass(frozen=True)
class _Form:
    """How `_Blocked` computes: `Classes.unit`, the change, classes in a block, `Classes.factors`."""

    unit: bool
    change: LogitChange | None
    block_size: int
    sharded: bool
    factors: torch.dtype | None

    def blocks(self, features: Tensor, weight: Tensor, bias: Tensor | None) -> Iterator[_Block]:
        """The classes in blocks, one after the other."""
        for start in range(0, len(weight), self.block_size):
            here = slice(start, min(start + self.block_size, len(weight)))
            rows, factor = weight[here], None
            if self.unit:
                factor = inverse_norm(rows.norm(dim=1))
                rows = rows * factor[:, None]
            logits = linear(features, rows, None if bias is None else bias[here], self.factors)
            yield _Block(here, rows, factor, logits)


class _Blocked(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        labels: Tensor,
        form: _Form,
    ) -> tuple[Tensor, Tensor]:
        change = form.change
        lowest = torch.finfo(features.dtype).min
        running_max = features.new_full((len(features),), lowest)  # of the changed logits: keeps exp in range
        total = torch.zeros_like(running_max)
        highest = running_max
        for block in form.blocks(features, weight, bias):
            logits = block.logits
            if change is not None:
                highest = torch.maximum(highest, block.without_label(labels, logits).amax(dim=1))
                logits = change.apply(logits)
            logits = block.without_label(labels, logits)
            new_max = torch.maximum(running_max, logits.amax(dim=1))
            total = total * (running_max - new_max).exp() + logits.sub_(new_max[:, None]).exp_().sum(dim=1)
            running_max = new_max
        highest = running_max if change is None else highest
        if form.sharded:
            extremes = torch.stack((running_max, highest))
            dist.all_reduce(extremes, dist.ReduceOp.MAX)
            total *= (running_max - extremes[0]).exp()
            dist.all_reduce(total)
            running_max, highest = extremes
        n = running_max + total.log()
        ctx.save_for_backward(features, weight, bias, labels, n)
        ctx.form = form
        ctx.mark_non_differentiable(highest)
        return n, highest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, bias, labels, n = ctx.saved_tensors
        form: _Form = ctx.form
        change, factors = form.change, form.factors
        feature_gradient, weight_gradient = torch.zeros_like(features), torch.empty_like(weight)
        bias_gradient = None if bias is None else torch.empty_like(bias)
        weighted = features * gradient[:, None]
        with torch.autocast(features.device.type, enabled=False):
            for block in form.blocks(features, weight, bias):
                slope = None if change is None else change.derivative(block.logits)
                logits = block.logits if change is None else change.apply(block.logits)
                share = block.without_label(labels, logits).sub_(n[:, None]).exp_()  # ∂N/∂(changed logit)
                if slope is not None:
                    share *= slope
                if factors is None:
                    feature_gradient.addmm_(share, block.weight)
                else:
                    feature_gradient += product(share, block.weight, factors)
                product(share.T, weighted, factors, out=weight_gradient[block.slice])
                block.backward_through_norm_(weight_gradient[block.slice])
                if bias_gradient is not None:
                    bias_gradient[block.slice] = gradient @ share
        feature_gradient *= gradient[:, None]
        if form.sharded:
            dist.all_reduce(feature_gradient)
        return feature_gradient, weight_gradient, bias_gradient, None, None


@dataclass(frozen=True)
class _Block:
    """A block of classes, and its logits.

    Attributes:
        slice: the range of the block among all classes.
        weight: the class weights as they are multiplied with the features, divided by their norms where
            `inverse_norm` is given.
        inverse_norm: 1 / ‖W_j‖ of each class, where weights are normalised; else None.
        logits: B × (classes of the block).
    """

    slice: slice
    weight: Tensor
    inverse_norm: Tensor | None
    logits: Tensor

    def without_label(self, labels: Tensor, logits: Tensor) -> Tensor:
        """`logits`, changed in place: −∞ for each sample's own identity, where that is in this block."""
        column = labels - self.slice.start
        outside = (column < 0) | (column >= logits.shape[1])
        column = column.clamp(0, logits.shape[1] - 1)[:, None]
        kept = logits.gather(1, column).masked_fill_(~outside[:, None], -torch.inf)
        return logits.scatter_(1, column, kept)

    def backward_through_norm_(self, gradient: Tensor) -> None:
        """Turn the gradient by W_j / ‖W_j‖ into the gradient by W_j, in place."""
        if self.inverse_norm is not None:
            along = (gradient * self.weight).sum(dim=1, keepdim=True)
            gradient.sub_(along * self.weight).mul_(self.inverse_norm[:, None])
