"""Class weights divided among ranks, the processes of a training on several devices.

Each rank holds a block of the identities, and every rank computes the loss of the whole batch, which is the
same on all of them. For that it needs the class weights of labels that other ranks hold, and their part of N.
Both are exchanged, the weights here and N in `nsface.heads.other_identities`. What an exchange gives is the
same on all ranks, and so is the gradient that comes back to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Shard:
    """The block of classes that one rank holds. The sizes of the blocks differ by at most one.

    Attributes:
        identities: C, the number of classes on all ranks together.
        rank: the number of this rank, from 0.
        ranks: how many ranks there are.

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
        """The range of the identities that `rank` holds."""
        return slice(rank * self.identities // self.ranks, (rank + 1) * self.identities // self.ranks)

    @property
    def held(self) -> slice:
        """The range of the identities that this rank holds."""
        return self.held_by(self.rank)

    @property
    def size(self) -> int:
        """The number of rows in this block."""
        return int(self.held.stop - self.held.start)

    def position(self, labels: Tensor) -> Tensor:
        """The row of each label in this block; below 0 or beyond its end where another rank holds it."""
        row: Tensor = labels - self.held.start
        return row

    def clamped_position(self, labels: Tensor) -> Tensor:
        """`position`, moved to the nearest row of this block."""
        return self.position(labels).clamp(0, self.size - 1)

    def sample(self, labels: Tensor, least: int, generator: torch.Generator | None) -> SampledShard:
        """Some of the classes of this block: those of `labels` that it holds, the rest drawn.

        Their number depends on that of the labels and not on which they are, so that nothing waits for the
        device: `least`, but at least the number of labels, and at most all.

        Args:
            labels: of shape (B,), on the device of `generator`.
            generator: the source of the draws, each rank's own; None: torch's global one.
        """
        order = torch.rand(self.size, device=labels.device, generator=generator)
        position, clamped = self.position(labels), self.clamped_position(labels)
        first = torch.where(position == clamped, 2.0, 0.0)  # above everything that is drawn
        order.scatter_reduce_(0, clamped, first, "amax")
        kept = order.topk(min(self.size, max(least, len(labels)))).indices.sort().values
        return SampledShard(self.identities, self.rank, self.ranks, kept)

    def collect_rows(self, rows: Tensor, labels: Tensor) -> Tensor:
        """The rows of `labels` from the ranks that hold them, the same on all ranks.

        Args:
            rows: this rank's rows at `clamped_position(labels)`, B × …; those of labels that another rank
                holds are ignored.
            labels: of shape (B,).
        """
        elsewhere = self.clamped_position(labels) != self.position(labels)
        return self.sum_over_ranks(rows.masked_fill(elsewhere.view(-1, *[1] * (rows.ndim - 1)), 0))

    def sum_over_ranks(self, tensor: Tensor) -> Tensor:
        """The sum of `tensor` over all ranks."""
        summed: Tensor = _SumOverRanks.apply(tensor)
        return summed

    def own_part(self, whole: Tensor) -> Tensor:
        """This rank's rows of `whole`, which has one row for each identity."""
        return whole[self.held].clone()

    def gather_on_first_rank(self, part: Tensor) -> Tensor:
        """The rows of all ranks in host memory, on rank 0; each rank gives its `part`, and must call this."""
        part = part.detach().cpu()
        if self.rank > 0:
            dist.send(part, 0)
            return part
        whole = part.new_empty(self.identities, *part.shape[1:])
        whole[self.held] = part
        for rank in range(1, self.ranks):
            dist.recv(whole[self.held_by(rank)], rank)
        return whole


@dataclass(frozen=True, eq=False)
class SampledShard(Shard):
    """Some of the classes that one rank holds: the rows of this block are theirs.

    Attributes:
        kept: their rows in the whole block of the rank, in order; int64.
    """

    kept: Tensor

    @property
    def size(self) -> int:
        return len(self.kept)

    def position(self, labels: Tensor) -> Tensor:
        """The row of each label in this block; -1 where another rank holds it.

        Every label that this rank holds must be among the classes that are kept.
        """
        row = super().position(labels)
        held = (row >= 0) & (row < self.held.stop - self.held.start)
        return torch.where(held, torch.searchsorted(self.kept, row), -1)


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        summed = tensor.clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient
