"""What every auxiliary loss shares: its weight, its arithmetic, and distances between normalised features.

A training step minimises mean(head's loss) + Σ weight · loss over the auxiliary losses of the recipe. They
see the features that the head sees, and choose their own pairs or triplets among the samples of the batch.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from nsface.heads.others import inverse


class Auxiliary(nn.Module):
    """Base of all auxiliary losses. A subclass implements `loss`, and takes the arguments below.

    Args:
        embedding_size: D.
        identities: C.
        weight: what the loss is multiplied by before it is added to the head's; above 0.

    Attributes:
        needs_pairs: whether it needs several images of an identity in a batch, and so a sampler.

    Raises:
        ValueError: an argument out of its range.
    """

    needs_pairs: ClassVar[bool]

    def __init__(self, embedding_size: int, identities: int, *, weight: float) -> None:
        super().__init__()
        if not (math.isfinite(weight) and weight > 0):
            raise ValueError(f"weight must be a number > 0, not {weight}")
        self.weight = weight

    @abstractmethod
    def loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch, without its weight: a number."""

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """The loss, without its weight, of `features` (B × D) under `labels` (B, int64 in [0, C)).

        It is computed in float32 (float64 for float64 features), also under autocast.
        """
        with torch.autocast(features.device.type, enabled=False):
            return self.loss(features if features.dtype == torch.float64 else features.float(), labels)


def squared_distances(features: Tensor) -> Tensor:
    """d² = 2 − 2 cos between all L2-normalised `features` (B × D): B × B, in [0, 4].

    cos is 0 where a norm is 0, and so is the gradient.
    """
    directions = features * inverse(features.norm(dim=1, keepdim=True))
    squared: Tensor = 2 - 2 * directions @ directions.T
    return squared.clamp_min(0)


def same_identity(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Which of all ordered pairs of samples are genuine, and which impostors: two masks, B × B.

    A sample with itself is neither.
    """
    same = labels[:, None] == labels[None, :]
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same
