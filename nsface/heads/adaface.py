"""AdaFace (Kim, Jain and Liu, CVPR 2022, https://arxiv.org/abs/2204.00964)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nsface.heads.base import Target
from nsface.heads.normalised import NormalisedHead, angle
from nsface.ranges import above, between

NEW_WEIGHT = 0.01  # of a batch in the running means


class AdaFace(NormalisedHead):
    """A margin that follows the feature norm, which stands for the quality of the image.

        f' = s [cos(θ_y − m z) − (m + m z)],    z = clip(h (‖x‖ − μ)/(σ + 0.001), −1, 1)

    μ and σ are running means of the batch's mean and standard deviation of ‖x‖ (each new one counts 0.01;
    they begin at 20 and 100, as in the authors' code), ‖x‖ clipped to [0.001, 100] and without a gradient;
    θ_y − m z is kept in [0, π]. z = −1 is a margin on the angle, z = 0 on the cosine.

    Args:
        scale: s > 0.
        margin: m in [0, 1]; 0 is NormFace.
        h: the concentration h > 0: z is ±1 from 1/h standard deviations on.
        alpha2, sample_rate: see `NormalisedHead`.

    Attributes:
        norm_mean, norm_std: μ and σ; part of the state.

    Raises:
        ValueError: an argument out of its range.
    """

    norm_mean: Tensor
    norm_std: Tensor

    def __init__(
        self,
        embedding_size: int,
        identities: int,
        *,
        scale: float = 64.0,
        margin: float = 0.4,
        h: float = 0.333,
        alpha2: float = 0.0,
        sample_rate: float = 1.0,
    ) -> None:
        super().__init__(embedding_size, identities, scale=scale, alpha2=alpha2, sample_rate=sample_rate)
        self.margin = between("margin", margin, 0, 1)
        self.h = above("h", h, 0)
        self.register_buffer("norm_mean", torch.tensor(20.0))
        self.register_buffer("norm_std", torch.tensor(100.0))

    def changed_cosine(self, target: Target) -> Tensor:
        quality = self._quality(target.feature_norm.detach())
        theta = (angle(target.cosine) - self.margin * quality).clamp(0, math.pi)
        return theta.cos() - (self.margin + self.margin * quality)

    def _quality(self, norm: Tensor) -> Tensor:
        """z of shape (B,), in [−1, 1]. μ and σ are moved towards those of this batch first."""
        norm = norm.clamp(0.001, 100)
        # a single sample has no standard deviation: it counts as 0
        std = norm.std(correction=min(1, len(norm) - 1))
        self.norm_mean.lerp_(norm.mean().to(self.norm_mean.dtype), NEW_WEIGHT)
        self.norm_std.lerp_(std.to(self.norm_std.dtype), NEW_WEIGHT)
        return (self.h * (norm - self.norm_mean) / (self.norm_std + 0.001)).clamp(-1, 1)
