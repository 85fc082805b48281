"""`Ranks`: the place of a process among those that work together, and what they exchange."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn

from nsface.errors import NsfaceError, RecipeError
from nsface.lifeline import Lifeline
from nsface.ranks.batch_norm import share_batch_norm

Item = TypeVar("Item")
# One rank may have millions of images to decode for all. Who hangs or has ended, the lifeline finds out.
TIMEOUT = timedelta(days=7)
BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")  # the same in all containers of a machine


@dataclass(frozen=True)
class Ranks:
    """The place of this process among all that work together; by default it is the only one.

    A method that exchanges something must be called on all ranks. Where there is one rank, it does nothing.

    Attributes:
        rank: the number of this rank, from 0; only the first rank writes files and messages.
        count: the number of ranks.
        local: the number of this rank among those on its machine, from 0.
        lifeline: watches the other ranks.
        group: the connections over which all but tensors on devices is exchanged; None: PyTorch's default.
    """

    rank: int = 0
    count: int = 1
    local: int = 0
    lifeline: Lifeline | None = field(default=None, repr=False, compare=False)
    group: Any = field(default=None, repr=False, compare=False)

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

    def done(self, step: int | None) -> None:
        """Note that this rank has done `step`, which the next one must follow in time; None: none follows."""
        if self.lifeline is not None:
            self.lifeline.done(step)

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
        dist.all_reduce(anywhere, dist.ReduceOp.MAX, self.group)
        return tuple(map(bool, anywhere.tolist()))

    def wait(self) -> None:
        """Return when all ranks have called this."""
        self.any(False)

    def from_first(self, item: Item) -> Item:
        """What the first rank has given here."""
        return self.gathered(item)[0]

    def beside(self) -> Ranks:
        """The same ranks with connections of their own, so that a thread can exchange something meanwhile."""
        if self.count == 1:
            return self
        group = dist.new_group(backend="gloo", timeout=TIMEOUT)
        return replace(self, group=group)

    def first_on_machine(self) -> int:
        """The lowest rank on the machine of this one, in the same container."""
        return self.on_machine()[0]

    def on_machine(self) -> list[int]:
        """The ranks on the machine of this one, in the same container."""
        boot = ""
        with suppress(OSError):
            boot = BOOT_FILE.read_text()
        machines = self.gathered((boot, socket.gethostname()))
        return [rank for rank, machine in enumerate(machines) if machine == machines[self.rank]]

    def interleaved(self, own: Iterator[Item]) -> Iterator[Item]:
        """The first item of each rank, then the second of each, and so on, until no rank has another.

        All ranks get the items of all. They may not be None.
        """
        if self.count == 1:
            yield from own
            return
        while there := [item for item in self.gathered(next(own, None)) if item is not None]:
            yield from there

    def summed(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The sums of `numbers` over all ranks, which give arrays of one shape."""
        sums: npt.NDArray[np.int64] = np.sum(self.gathered(numbers), axis=0)
        return sums

    def highest(self, numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The highest of `numbers` over all ranks, which give arrays of one shape."""
        highest: npt.NDArray[np.float64] = np.max(self.gathered(numbers), axis=0)
        return highest

    def gathered(self, item: Item) -> list[Item]:
        """What each rank has given here, by its number."""
        if self.count == 1:
            return [item]
        items: list[Any] = [None] * self.count
        dist.all_gather_object(items, item, self.group)
        return items

    def with_shared_batch_norm(
        self, network: nn.Module, device: torch.device, compiled: bool = False
    ) -> nn.Module:
        """`network`, whose batch normalisation is over the whole batch instead of over each slice of it.

        With `compiled`, the rest of the network is going to be compiled.
        """
        return network if self.count == 1 else share_batch_norm(network, device, compiled)

    def gather(self, features: Tensor) -> Tensor:
        """The features of the whole batch, from those of all slices; float32 where there are several ranks.

        Their gradient must be the same on all ranks; each rank passes the part of its own slice on.
        """
        if self.count == 1:
            return features
        gathered: Tensor = _Gather.apply(features.float(), self)
        return gathered


ALONE = Ranks()


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
