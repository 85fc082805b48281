"""Several processes, started by torchrun, that train one model: each is a rank, with a device of its own.

A rank puts its slice of every batch through the network. The features of all slices are then gathered, so
that every rank has the loss of the whole batch, and the gradients of the network are added up. Tensors on
CUDA devices travel by NCCL, those in host memory by Gloo.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nsface.errors import NsfaceError, RecipeError
from nsface.private_torch import meet_ranks
from nsface.processes import end_with_parent

SET_BY_TORCHRUN = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
# How long ranks wait for one another: one of them may have millions of images to decode for all.
PATIENCE = timedelta(hours=6)


@dataclass(frozen=True)
class Ranks:
    """This process among all that train the model; by itself unless `joined` says otherwise.

    Every method that exchanges something must be called on all ranks. By itself it does nothing.

    Attributes:
        rank: from 0; the first alone writes files and messages.
        count: how many there are.
        local: the number of this rank on its machine, from 0.
    """

    rank: int = 0
    count: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        return self.rank == 0

    def place(self, device: torch.device) -> torch.device:
        """The device of this rank, of the kind of `device`, from then on PyTorch's own choice.

        Raises:
            NsfaceError: more ranks than CUDA devices.
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

    def part(self, batch_size: int) -> slice:
        """Which samples of each batch are this rank's.

        Raises:
            RecipeError: they cannot be dealt evenly.
        """
        if batch_size % self.count:
            raise RecipeError(
                f"batch_size: {batch_size} images a step cannot be dealt evenly to {self.count} ranks; "
                f"give a multiple of {self.count}"
            )
        size = batch_size // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def own(self, use: str) -> str:
        """The name of the random stream (`nsface.seeds`) for `use` that is this rank's own."""
        return use if self.first else f"{use}/{self.rank}"

    def any(self, here: bool) -> bool:
        """Whether it is so on any rank; returns when all have asked. No rank waits for its device."""
        if self.count == 1:
            return here
        anywhere = torch.tensor(int(here))
        dist.all_reduce(anywhere, dist.ReduceOp.MAX)
        return bool(anywhere)

    def wait(self) -> None:
        """Return when all ranks are here."""
        self.any(False)

    def normalised_together(self, network: nn.Module, device: torch.device) -> nn.Module:
        """`network` with batch normalisation over the whole batch: on CUDA; elsewhere over each slice."""
        if self.count == 1 or device.type != "cuda":
            return network
        convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
        return convert(network)

    def gathered(self, features: Tensor) -> Tensor:
        """The features of the whole batch, in float32 where there are several ranks.

        The gradient that comes back to them has to be the same on all ranks; each passes on its own slice.
        """
        if self.count == 1:
            return features
        gathered: Tensor = _Gathered.apply(features.float(), self)
        return gathered

    def add_gradients(self, network: nn.Module) -> None:
        """Make of the gradients of `network`, which are those of each rank's slice, those of the batch."""
        if self.count > 1:
            gradients = [p.grad for p in network.parameters() if p.grad is not None]
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            dist.all_reduce(flat)
            slices = torch.split(flat, [gradient.numel() for gradient in gradients])
            for gradient, summed in zip(gradients, slices, strict=True):
                gradient.copy_(summed.view_as(gradient))


ALONE = Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """The ranks that torchrun has started, joined while this is entered; `ALONE` without torchrun.

    Of errors, the first on any rank is raised; ranks that fail after it end without a word, since they have
    failed either for the same reason or because that rank has left them.
    """
    if not os.environ.keys() >= SET_BY_TORCHRUN or os.environ["WORLD_SIZE"] == "1":
        yield ALONE
        return
    end_with_parent()  # torchrun, when it is killed, leaves its ranks running or waiting
    store, rank, count = meet_ranks()
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=PATIENCE)
    try:
        yield Ranks(rank, count, int(os.environ["LOCAL_RANK"]))
    except BaseException as error:
        if _is_first(store):
            raise
        # torchrun ends all ranks as soon as one has ended: not before the first has said why
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1)
        raise SystemExit(1) from error
    dist.destroy_process_group()


def _is_first(store: Any) -> bool:
    """Whether no other rank has failed yet."""
    try:
        return bool(store.add("failed", 1) == 1)
    except RuntimeError:  # the store is gone, and with it the rank that kept it
        return False


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, ranks: Ranks) -> Tensor:
        ctx.part = slice(ranks.rank * len(features), (ranks.rank + 1) * len(features))
        parts = [torch.empty_like(features) for _ in range(ranks.count)]
        dist.all_gather(parts, features.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[ctx.part], None
