"""One step of a training: the forward pass, the backward pass, and the change of the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nsface.heads import Head, HeadOutput
from nsface.ranks import Ranks
from nsface.recipe.schema import Recipe


@dataclass(frozen=True)
class Taken:
    """What a step leaves for the log.

    Attributes:
        output: what the head says of the batch.
        auxiliary_losses: the auxiliary losses by name, means over the batch.
        norm: the L2 norm of the gradient of all weights; NaN if it was not computed.
    """

    output: HeadOutput
    auxiliary_losses: Mapping[str, Tensor]
    norm: Tensor | float


class Step:
    """Takes steps, each with one batch. It draws nothing and decides nothing: what it is given is set up.

    Args:
        recipe: the settings of the step.
        network: images (B, 3, H, W) to embeddings (B, D), in train mode, on its device.
        head: the loss of embeddings under their labels.
        auxiliary: further losses by name.
        optimizer: over all of these, with its learning rate set.
        dtype: the type that the network's convolutions run in.
        ranks: the processes that train together.
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

    def __call__(self, images: Tensor, labels: Tensor, measure: bool) -> Taken:
        """Take a step.

        Args:
            images: float32 in [0, 255], those of this rank.
            labels: those of the whole batch.
            measure: whether the norm of the gradient is wanted; where gradients are clipped it always is.
        """
        features = self.ranks.gather(self.features(images))
        output = self.head(features, labels)
        losses = {name: auxiliary(features, labels) for name, auxiliary in self.auxiliary.items()}
        total = output.loss.mean() + sum(self.auxiliary[name].weight * losses[name] for name in losses)
        self.optimizer.zero_grad()
        total.backward()
        self.ranks.sum_gradients(self.network)
        norm: Tensor | float = math.nan
        clip_norm = self.recipe.optimizer.clip_norm
        if clip_norm is not None or measure:
            norm = self.gradient_norm()
            if clip_norm is not None:
                nn.utils.clip_grads_with_norm_(self.parameters(), clip_norm, norm)
        self.optimizer.step()
        return Taken(output, losses, norm)

    def features(self, images: Tensor) -> Tensor:
        """The embeddings of a batch."""
        device = images.device.type
        with torch.autocast(device, self.dtype, enabled=self.dtype != torch.float32):
            features: Tensor = self.network(self.recipe.input.normalise(images))
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
