"""The gradient of a batch that is computed in parts, equal to that of the batch computed at once.

Many losses look at the whole batch: running means of AdaFace, pairs and triplets of the auxiliary losses. The
sum of the gradients of parts would be another one. So the embeddings of all parts are made first, without
what a backward pass needs; the losses and their gradient by the embeddings are those of the whole batch; and
each part is computed once more, with its backward pass from there. That costs one more forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from nsface.private_torch import copy_all
from nsface.ranks.replica import Replica

Result = TypeVar("Result")


def backward_in_parts(
    replica: Replica,
    images: Tensor,
    parts: int,
    features: Callable[[Tensor], Tensor],
    backward: Callable[[Tensor], Result],
) -> Result:
    """Add the gradient of the whole batch to the gradients of `network`, computed in `parts`.

    Random numbers of the network come from torch's global generator, and are those of its state at the call,
    in both passes of each part. Batch normalisation is over each part. Its running statistics take one step,
    towards the mean of the statistics of the parts.

    Args:
        replica: the network, in the mode in which it is trained; over several ranks the gradients are summed
            in the last part.
        images: of this process, B × 3 × H × W, B divisible by `parts`.
        parts: into how many they are divided.
        features: images to embeddings, by `network`.
        backward: is called once, with the embeddings of all images: computes the loss and its gradients, that
            by the embeddings too.

    Returns:
        What `backward` returned.
    """
    network, divided = replica.network, images.chunk(parts)
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad(), _unchanged_statistics(network):
        # a compiled network writes the next part into the same memory
        whole = torch.cat([features(part).clone() for part in divided])
    result = backward(whole.requires_grad_())
    if not any(parameter.requires_grad for parameter in network.parameters()):
        return result
    assert whole.grad is not None
    statistics = _MeanStatistics(network)
    for number, (part, gradient) in enumerate(zip(divided, whole.grad.chunk(parts), strict=True), 1):
        statistics.begin_part()
        with nullcontext() if number == parts else replica.unsummed():
            features(part).backward(gradient)
        statistics.end_part()
    statistics.end()
    return result


def _running_statistics(network: nn.Module) -> list[Tensor]:
    """The buffers of batch normalisations, on one device or over ranks, that a forward pass changes."""
    normalisations = [m for m in network.modules() if m.training and hasattr(m, "running_mean")]
    return [buffer for module in normalisations for buffer in module.buffers()]


@contextmanager
def _unchanged_statistics(network: nn.Module) -> Iterator[None]:
    """After this context running statistics are as they were before."""
    buffers = _running_statistics(network)
    before = [buffer.clone() for buffer in buffers]
    yield
    if buffers:
        copy_all(buffers, before)


class _MeanStatistics:
    """Lets the forward passes of parts change running statistics as one pass would.

    Each part begins with the statistics before the first one, and in the end they are the mean of those after
    each part.
    """

    def __init__(self, network: nn.Module) -> None:
        buffers = _running_statistics(network)
        self._statistics = [buffer for buffer in buffers if buffer.is_floating_point()]
        self._all = buffers
        self._before = [buffer.clone() for buffer in buffers]
        self._mean = [statistic.clone() for statistic in self._statistics]
        self._parts = 0

    def begin_part(self) -> None:
        """Go back to the statistics before the first part."""
        if self._all:
            copy_all(self._all, self._before)

    def end_part(self) -> None:
        """Take the statistics after a part into the mean."""
        self._parts += 1
        if self._statistics:
            get_ema_multi_avg_fn(1 - 1 / self._parts)(self._mean, self._statistics, self._parts)

    def end(self) -> None:
        """Set the statistics to the mean; the count of batches is one higher than before the first part."""
        if self._statistics:
            copy_all(self._statistics, self._mean)
