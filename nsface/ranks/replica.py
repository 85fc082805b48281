"""The network as several ranks train it: each has a copy, and their gradients are summed.

PyTorch's `DistributedDataParallel` does this in buckets while the backward pass is going on. Two things are
added to it. Gradients are summed and not averaged, because the loss of every rank is that of the whole batch.
And a resumed run must add the same numbers in the same order as one that was not interrupted: after the first
backward pass `DistributedDataParallel` lays out its buckets anew, by the order in which the gradients came.
Here that is a pass over the parameters alone, before any step, so that all steps have the same buckets.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

# PyTorch has renamed the argument: whether the first rank's buffers replace all others in each step
_SYNC = "forward_sync_buffers"
_BUFFERS = _SYNC if _SYNC in inspect.signature(DistributedDataParallel).parameters else "broadcast_buffers"


class Replica:
    """Calls `network`, so that every backward pass leaves on all ranks the sum of their gradients.

    All ranks must call it, and go through the backward pass, together. Which parameters require a gradient
    may change between steps, on all ranks alike. With one rank, and where no parameter requires a gradient,
    it is the network and nothing else.

    Args:
        network: images to embeddings, on its device; every parameter that requires a gradient gets one in
            each step.
        ranks: the number of ranks.

    Attributes:
        network: the same.
        embed: what is called: the network, or the same compiled. To be set before the first call, if at all.
    """

    def __init__(self, network: nn.Module, ranks: int) -> None:
        self.network, self._ranks = network, ranks
        self.embed: Callable[[Tensor], Tensor] = network
        self._summed: list[nn.Parameter] = []
        self._parallel: DistributedDataParallel | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """The embeddings of this rank's `images`."""
        if self._ranks > 1 and torch.is_grad_enabled():
            self._follow_freezing()
        embed = self.embed if self._parallel is None else self._parallel
        embeddings: Tensor = embed(images)
        return embeddings

    @contextmanager
    def unsummed(self) -> Iterator[None]:
        """Within this context a forward pass and its backward pass add to the gradients of this rank alone.

        The first pass after it sums all that has gathered.
        """
        if self._ranks > 1:
            self._follow_freezing()
        if self._parallel is None:
            yield
        else:
            with self._parallel.no_sync():
                yield

    def _follow_freezing(self) -> None:
        """Sum the gradients of those parameters that require one now."""
        trained = [p for p in self.network.parameters() if p.requires_grad]
        if [id(p) for p in trained] == [id(p) for p in self._summed]:
            return
        self._summed, self._parallel = trained, None  # the former one lets go of the parameters
        if trained:
            self._parallel = _parallel(_Forward(self.network, self.embed), trained)


class _Forward(nn.Module):
    """Calls `embed`; without images, each parameter of `network`, in the backward pass the last one first."""

    def __init__(self, network: nn.Module, embed: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self._embed = (embed,)  # in a tuple, since its parameters must not be there twice

    def forward(self, images: Tensor | None) -> Tensor:
        if images is not None:
            return self._embed[0](images)
        trained = [p for p in self.network.parameters() if p.requires_grad]
        total = trained[0].sum()
        for parameter in trained[1:]:
            total = total + parameter.sum()
        return total


def _parallel(network: _Forward, trained: list[nn.Parameter]) -> DistributedDataParallel:
    """`network` with its buckets laid out for good. The gradients of `trained` stay what they are."""
    gradients = [parameter.grad for parameter in trained]
    for parameter in trained:
        parameter.grad = None
    off: dict[str, Any] = {_BUFFERS: False}
    parallel = DistributedDataParallel(network, gradient_as_bucket_view=True, **off)
    # a lambda, because PyTorch compares annotations with types, and not with their names
    parallel.register_comm_hook(None, lambda _, bucket: _summed(bucket))
    with torch.enable_grad():
        parallel(None).backward()
    for parameter, gradient in zip(trained, gradients, strict=True):
        parameter.grad = gradient
    return parallel


def _summed(bucket: Any) -> torch.futures.Future[Tensor]:
    """Sum the gradients of a bucket (`GradBucket`) over the ranks, while the backward pass goes on."""
    future: torch.futures.Future[list[Tensor]] = dist.all_reduce(bucket.buffer(), async_op=True).get_future()
    return future.then(lambda done: done.value()[0])
