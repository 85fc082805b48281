"""CurricularFace (Huang et al., CVPR 2020, https://arxiv.org/abs/2004.00288)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nsface.heads.arcface import with_angular_margin
from nsface.heads.base import Target
from nsface.heads.normalised import NormalisedHead, angle
from nsface.ranges import between

NEW_WEIGHT = 0.01  # of a batch in the running mean


class CurricularFace(NormalisedHead):
    """ArcFace that gives the identities that are hard to tell apart more weight as training goes on.

        f' = s cos(θ_y + m);    cos θ_j becomes cos θ_j (t + cos θ_j) where cos θ_j > cos(θ_y + m), j ≠ y

    t is a running mean of the batch's mean cos θ_y (each new one counts 0.01; it begins at 0), so that hard
    negatives count little at first and much in the end. As in ArcFace where θ_y + m exceeds π.

    Args:
        scale: s > 0.
        margin: m in [0, π/2], in radians.
        alpha2, sample_rate: see `NormalisedHead`.

    Attributes:
        mean_cosine: t; part of the state.

    Raises:
        ValueError: an argument out of its range.
    """

    mean_cosine: Tensor

    def __init__(
        self,
        embedding_size: int,
        identities: int,
        *,
        scale: float = 64.0,
        margin: float = 0.5,
        alpha2: float = 0.0,
        sample_rate: float = 1.0,
    ) -> None:
        super().__init__(embedding_size, identities, scale=scale, alpha2=alpha2, sample_rate=sample_rate)
        self.margin = between("margin", margin, 0, math.pi / 2)
        self.register_buffer("mean_cosine", torch.zeros(()))

    def changed_cosine(self, target: Target) -> Tensor:
        return with_angular_margin(target.cosine, torch.full_like(target.cosine, self.margin))

    def change_of_other_logits(self, target: Target) -> Curriculum:
        cosine = target.cosine.detach()
        self.mean_cosine.lerp_(cosine.mean().to(self.mean_cosine.dtype), NEW_WEIGHT)
        scale = target.length[:, None]
        hard = (angle(cosine) + self.margin).cos()[:, None]
        return Curriculum(scale * hard, scale, self.mean_cosine.to(cosine.dtype, copy=True))


@dataclass(frozen=True)
class Curriculum:
    """A `LogitChange`: z becomes z (t + z/s) where z is above the threshold, and stays unchanged elsewhere.

    Attributes:
        threshold: s cos(θ_y + m), B × 1.
        scale: s, B × 1.
        t: a number, of shape ().
    """

    threshold: Tensor
    scale: Tensor
    t: Tensor

    def apply(self, logits: Tensor) -> Tensor:
        """The changed logits, of the shape of `logits`."""
        return torch.where(logits > self.threshold, logits * (self.t + logits / self.scale), logits)

    def derivative(self, logits: Tensor) -> Tensor:
        """The derivative of `apply` at `logits`."""
        return torch.where(logits > self.threshold, self.t + 2 * logits / self.scale, 1.0)
