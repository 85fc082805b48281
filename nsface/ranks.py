"""Ranks: the processes, started by torchrun, that do one piece of work together, each on a device of its own.

In training each rank computes the features of its slice of every batch. The features of all slices are then
gathered, so that every rank has the loss of the whole batch, and the gradients of the network are summed over
the ranks. In extraction each rank embeds whole batches in turn; in identification each searches a part of
the gallery. Tensors on CUDA devices are exchanged by NCCL, those in host memory by Gloo.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn

from nsface.errors import NsfaceError, RecipeError
from nsface.private_torch import meet_ranks
from nsface.processes import end_with_parent, started_by_torchrun

# Ranks wait so long for one another, since one of them may have millions of images to decode for all.
TIMEOUT = timedelta(hours=6)
Item = TypeVar("Item")


@dataclass(frozen=True)
class Ranks:
    """The place of this process among all that work together; by default it is the only one.

    A method that exchanges something must be called on all ranks. Where there is one rank, it does nothing.

    Attributes:
        rank: the number of this rank, from 0; only the first rank writes files and messages.
        count: the number of ranks.
        local: the number of this rank among those on its machine, from 0.
    """

    rank: int = 0
    count: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the first rank, which writes files and messages."""
        return self.rank == 0

    def place(self, device: torch.device) -> torch.device:
        """The device of this rank, of the type of `device`, which becomes PyTorch's default CUDA device.

        Raises:
            NsfaceError: there are more ranks than CUDA devices.
        """
        if self.count == 1 or device.type != "cuda":
            return device
        seen = torch.cuda.device_count()
        if self.local >= seen:
            raise NsfaceError(
                f"rank {self.rank} needs CUDA device {self.local}, but {seen} can be seen here; "
                "start as many ranks on a machine as it has devices, or give --device cpu"
            )
        torch.cuda.set_device(self.local)
        return torch.device("cuda", self.local)

    def batch_slice(self, batch_size: int) -> slice:
        """The slice of each batch that belongs to this rank.

        Raises:
            RecipeError: the batch cannot be divided evenly.
        """
        if batch_size % self.count:
            raise RecipeError(
                f"batch_size: {batch_size} images a step cannot be divided evenly among {self.count} ranks; "
                f"give a multiple of {self.count}"
            )
        size = batch_size // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def stream(self, use: str) -> str:
        """The name of this rank's own random stream (`nsface.seeds`) for `use`."""
        return use if self.first else f"{use}/{self.rank}"

    def any(self, here: bool) -> bool:
        """Whether `here` is true on any rank. Returns when all have called this, not waiting for devices."""
        return self.any_of(here)[0]

    def any_of(self, *here: bool) -> tuple[bool, ...]:
        """`any` of each value, in one exchange."""
        if self.count == 1:
            return here
        anywhere = torch.tensor([int(value) for value in here])
        dist.all_reduce(anywhere, dist.ReduceOp.MAX)
        return tuple(map(bool, anywhere.tolist()))

    def wait(self) -> None:
        """Return when all ranks have called this."""
        self.any(False)

    def from_first(self, item: Item) -> Item:
        """What the first rank has given here."""
        return self._all(item)[0]

    def interleaved(self, own: Iterator[Item]) -> Iterator[Item]:
        """The first item of each rank, then the second of each, and so on, until no rank has another.

        All ranks get the items of all. They may not be None.
        """
        if self.count == 1:
            yield from own
            return
        while there := [item for item in self._all(next(own, None)) if item is not None]:
            yield from there

    def summed(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The sums of `numbers` over all ranks, which give arrays of one shape."""
        sums: npt.NDArray[np.int64] = np.sum(self._all(numbers), axis=0)
        return sums

    def highest(self, numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The highest of `numbers` over all ranks, which give arrays of one shape."""
        highest: npt.NDArray[np.float64] = np.max(self._all(numbers), axis=0)
        return highest

    def _all(self, item: Item) -> list[Item]:
        """What each rank has given here.

        Raises:
            NsfaceError: a rank has ended, or cannot be reached.
        """
        if self.count == 1:
            return [item]
        items: list[Any] = [None] * self.count
        try:
            dist.all_gather_object(items, item)
        except RuntimeError as error:
            raise NsfaceError(
                f"rank {self.rank}: another rank has ended, or cannot be reached; give the same command again"
            ) from error
        return items

    def with_shared_batch_norm(self, network: nn.Module, device: torch.device) -> nn.Module:
        """`network`, which on CUDA normalises over the whole batch instead of over each slice of it."""
        if self.count == 1 or device.type != "cuda":
            return network
        convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
        return convert(network)

    def gather(self, features: Tensor) -> Tensor:
        """The features of the whole batch, from those of all slices; float32 where there are several ranks.

        Their gradient must be the same on all ranks; each rank passes the part of its own slice on.
        """
        if self.count == 1:
            return features
        gathered: Tensor = _Gather.apply(features.float(), self)
        return gathered

    def sum_gradients(self, network: nn.Module) -> None:
        """Replace the gradients of `network`, which are those of this rank's slice, by those of the batch."""
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        if self.count > 1 and gradients:  # there are none where the whole network is frozen
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            dist.all_reduce(flat)
            slices = torch.split(flat, [gradient.numel() for gradient in gradients])
            for gradient, summed in zip(gradients, slices, strict=True):
                gradient.copy_(summed.view_as(gradient))


ALONE = Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """The ranks that torchrun has started, connected within this context; `ALONE` without torchrun.

    Only the rank that fails first raises its error. Ranks that fail after it end silently, since they have
    failed either for the same reason or because that rank has left them.
    """
    if not started_by_torchrun():
        yield ALONE
        return
    end_with_parent()  # torchrun, when it is killed, leaves its ranks running or waiting
    store, rank, count = meet_ranks()
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=TIMEOUT)
    try:
        yield Ranks(rank, count, int(os.environ["LOCAL_RANK"]))
    except BaseException as error:
        if _fails_first(store):
            if not torch.cuda.is_available():  # NCCL would wait for the others
                dist.destroy_process_group()  # else Gloo's threads may abort the process as it ends
            raise
        # torchrun ends all ranks as soon as one has ended: the first to fail must have time to say why
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1)
        raise SystemExit(1) from error
    dist.destroy_process_group()


def _fails_first(store: Any) -> bool:
    """Whether no other rank has failed yet."""
    try:
        return bool(store.add("failed", 1) == 1)
    except RuntimeError:  # the rank that keeps the store has ended
        return False


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, ranks: Ranks) -> Tensor:
        ctx.part = slice(ranks.rank * len(features), (ranks.rank + 1) * len(features))
        parts = [torch.empty_like(features) for _ in range(ranks.count)]
        dist.all_gather(parts, features.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[ctx.part], None
