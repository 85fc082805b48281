"""Class weights divided among ranks, the processes of a training on several devices.

Each rank holds a block of the identities, and every rank computes the loss of the whole batch, the same on
all of them. For that it lacks the class weights of labels that others hold, and their part of N: both are
exchanged here and in `others`. What an exchange gives is the same on all ranks, and so is the gradient that
comes back to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Shard:
    """The block of `identities` classes that `rank`, one of `ranks`, holds; sizes differ by at most one.

    Raises:
        ValueError: fewer identities than ranks.
    """

    identities: int
    rank: int
    ranks: int

    def __post_init__(self) -> None:
        if self.identities < self.ranks:
            raise ValueError(f"{self.identities} identities cannot be divided among {self.ranks} ranks")

    def held_by(self, rank: int) -> slice:
        """The identities of another rank."""
        return slice(rank * self.identities // self.ranks, (rank + 1) * self.identities // self.ranks)

    @property
    def held(self) -> slice:
        return self.held_by(self.rank)

    def local(self, labels: Tensor) -> Tensor:
        """Where in this block `labels` are; below 0 or beyond its end where another rank holds them."""
        local: Tensor = labels - self.held.start
        return local

    def nearest(self, labels: Tensor) -> Tensor:
        """`local`, moved into the block."""
        return self.local(labels).clamp(0, self.held.stop - self.held.start - 1)

    def exchanged(self, rows: Tensor, labels: Tensor) -> Tensor:
        """The rows of `labels`, given on each rank those of `nearest`: right where it holds the label."""
        elsewhere = self.nearest(labels) != self.local(labels)
        return self.total(rows.masked_fill(elsewhere.view(-1, *[1] * (rows.ndim - 1)), 0))

    def total(self, tensor: Tensor) -> Tensor:
        """The sum of `tensor` over all ranks."""
        summed: Tensor = _Total.apply(tensor)
        return summed

    def part(self, whole: Tensor) -> Tensor:
        """This rank's rows of a tensor with a row an identity."""
        return whole[self.held].clone()

    def whole(self, part: Tensor) -> Tensor:
        """On rank 0, in host memory, the rows of all ranks, each of which gives its `part`."""
        part = part.detach().cpu()
        if self.rank > 0:
            dist.send(part, 0)
            return part
        whole = part.new_empty(self.identities, *part.shape[1:])
        whole[self.held] = part
        for rank in range(1, self.ranks):
            dist.recv(whole[self.held_by(rank)], rank)
        return whole


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        summed = tensor.clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient
