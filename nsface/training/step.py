"""One step of a training: the forward pass, the backward pass, and the change of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nsface.device import may_use_tf32, tf32
from nsface.heads import Head, HeadOutput
from nsface.ranks import Ranks
from nsface.ranks.replica import Replica
from nsface.recipe.schema import Recipe
from nsface.training.guards.skipping import Skipping
from nsface.training.parts import backward_in_parts


@dataclass(frozen=True)
class Taken:
    """What a step leaves for the log.

    Attributes:
        output: what the head says of the batch.
        auxiliary_losses: the auxiliary losses by name, means over the batch.
        norm: the L2 norm of the gradient of all weights.
        finite: whether the loss and that norm are finite; the step was skipped otherwise.
    """

    output: HeadOutput
    auxiliary_losses: Mapping[str, Tensor]
    norm: Tensor
    finite: Tensor

    def not_finite(self) -> str:
        """What of a step that was skipped is not finite, as `the loss is nan`. This waits for the device."""
        losses = {"loss": self.output.loss.detach().mean()}
        losses |= {f"{name} loss": loss.detach() for name, loss in self.auxiliary_losses.items()}
        values = {name: float(x) for name, x in (losses | {"norm of the gradient": self.norm}).items()}
        broken = (f"the {name} is {x}" for name, x in values.items() if not math.isfinite(x))
        return next(broken, "the sum of the losses is not finite")


@dataclass(frozen=True)
class Losses:
    """The losses of a batch.

    Attributes:
        output: what the head says of the batch.
        auxiliary: the auxiliary losses by name, means over the batch.
        total: what is minimised, of shape ().
    """

    output: HeadOutput
    auxiliary: Mapping[str, Tensor]
    total: Tensor


class Step:
    """Takes steps, each with one batch. It draws nothing and decides nothing: what it is given is set up.

    A step whose loss or gradient is not finite leaves everything as it was.

    Args:
        recipe: the settings of the step.
        network: images (B, 3, H, W) to embeddings (B, D), in train mode, on its device.
        head: the loss of embeddings under their labels.
        auxiliary: further losses by name.
        optimizer: over all of these, with its learning rate set.
        dtype: the type that the network's convolutions run in.
        ranks: the processes that train together.

    Attributes:
        reached: called with "network", "head", "backward" and "optimiser" where each of these parts of a step
            has been given to the device; `nsface.benchmark` takes the time there.
        embed: calls the network, compiled or not, with normalised images.
        tf32: whether products of float32 numbers may be computed in TF32.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        head: Head,
        auxiliary: nn.ModuleDict,
        optimizer: torch.optim.Optimizer,
        dtype: torch.dtype,
        ranks: Ranks,
    ) -> None:
        self.recipe, self.optimizer, self.dtype, self.ranks = recipe, optimizer, dtype, ranks
        self.network, self.head, self.auxiliary = network, head, auxiliary
        self.skipping = Skipping((network, head, auxiliary), optimizer, head.weight.device)
        self.reached: Callable[[str], object] = lambda part: None
        self.tf32 = may_use_tf32(recipe.precision, head.weight.device)
        self.replica = Replica(network, ranks.count)

    def __call__(self, images: Tensor, labels: Tensor) -> Taken:
        """Take a step.

        Args:
            images: float32 in [0, 255], those of this rank.
            labels: those of the whole batch.
        """
        self.skipping.begin_step(labels)
        self.optimizer.zero_grad()
        with tf32(self.tf32, images.device):
            losses = self.backward(images, labels)
        self.reached("backward")
        norm = self.gradient_norm()
        clip_norm = self.recipe.optimizer.clip_norm
        if clip_norm is not None:
            nn.utils.clip_grads_with_norm_(self.parameters(), clip_norm, norm)
        # the same on all ranks, as both numbers are
        finite = losses.total.detach().isfinite() & norm.isfinite()
        self.skipping.end_step(finite, norm.detach())
        self.optimizer.step()
        self.reached("optimiser")
        return Taken(losses.output, losses.auxiliary, norm, finite)

    def backward(self, images: Tensor, labels: Tensor) -> Losses:
        """Compute the gradients of the batch; those of the network are by the images of this rank."""

        def from_embeddings(own: Tensor) -> Losses:
            losses = self.losses(own, labels)
            losses.total.backward()
            return losses

        if self.recipe.accumulate == 1:
            return from_embeddings(self.features(images))
        return backward_in_parts(self.replica, images, self.recipe.accumulate, self.features, from_embeddings)

    def losses(self, own: Tensor, labels: Tensor) -> Losses:
        """The losses of the whole batch; `own` are the embeddings of this rank's images."""
        self.reached("network")
        features = self.ranks.gather(own)
        output = self.head(features, labels)
        losses = {name: auxiliary(features, labels) for name, auxiliary in self.auxiliary.items()}
        total = output.loss.mean() + sum(self.auxiliary[name].weight * losses[name] for name in losses)
        self.reached("head")
        return Losses(output, losses, total)

    def features(self, images: Tensor) -> Tensor:
        """The embeddings of a batch."""
        device = images.device.type
        with torch.autocast(device, self.dtype, enabled=self.dtype != torch.float32):
            features = self.replica(self.recipe.input.normalise(images))
        return features

    def parameters(self) -> list[nn.Parameter]:
        """All that is trained."""
        return [p for part in (self.network, self.head, self.auxiliary) for p in part.parameters()]

    def gradient_norm(self) -> Tensor:
        """The L2 norm of the gradient of all weights, with those that other ranks hold."""
        gradients = {p: p.grad for p in self.parameters() if p.grad is not None}
        if self.head.shard is not None:
            for divided in self.head.parameters_by_identity().values():
                squared = self.head.shard.sum_over_ranks(gradients[divided].norm().square())
                gradients[divided] = squared.sqrt()  # a tensor with the norm of the whole gradient
        return nn.utils.get_total_norm(list(gradients.values()))
