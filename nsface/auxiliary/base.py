"""The base of the auxiliary losses, and the distances between normalised features.

A training step minimises mean(head's loss) + Σ weight · loss over the auxiliary losses of the recipe. They
see the features that the head sees, and choose their own pairs or triplets among the samples of the batch.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from nsface.norms import inverse_norm
from nsface.ranges import above


class Auxiliary(nn.Module):
    """The base of all auxiliary losses. A subclass implements `loss`, and takes the arguments below.

    Args:
        embedding_size: D.
        identities: C.
        weight: the factor of the loss in the sum that is minimised, > 0.

    Attributes:
        needs_pairs: whether it needs several images of an identity in a batch, and so a sampler.
        buffers_by_identity: the names of its buffers that have a row for each identity; the forward pass
            changes the rows of the batch's labels alone.
        weight: the factor.

    Raises:
        ValueError: an argument out of its range.
    """

    needs_pairs: ClassVar[bool]
    buffers_by_identity: ClassVar[tuple[str, ...]] = ()

    def __init__(self, embedding_size: int, identities: int, *, weight: float) -> None:
        super().__init__()
        self.weight = above("weight", weight, 0)

    @abstractmethod
    def loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """The loss of `features` (B × D) under `labels` (B), of shape (), without its weight."""

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """The loss, without its weight, of `features` (B × D) under `labels` (B, int64 in [0, C)).

        It is computed in float32 (float64 for float64 features), also under autocast.
        """
        with torch.autocast(features.device.type, enabled=False):
            return self.loss(features if features.dtype == torch.float64 else features.float(), labels)


def squared_distances(features: Tensor) -> Tensor:
    """d² = 2 − 2 cos between all pairs of `features` (B × D) after L2 normalisation: B × B, in [0, 4].

    Where a norm is 0, the cosine and the gradient are 0.
    """
    directions = features * inverse_norm(features.norm(dim=1, keepdim=True))
    squared: Tensor = 2 - 2 * directions @ directions.T
    return squared.clamp_min(0)


def same_identity(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Two masks of all ordered pairs of samples, each B × B: the genuine pairs and the impostor pairs.

    A sample paired with itself is in neither.
    """
    same = labels[:, None] == labels[None, :]
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same
