"""MagFace (Meng, Zhao, Huang and Zhou, CVPR 2021, https://arxiv.org/abs/2103.06627)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nsface.heads.arcface import with_angular_margin
from nsface.heads.base import Target
from nsface.heads.normalised import NormalisedHead
from nsface.heads.other_identities import Classes
from nsface.ranges import above, at_least, between


class MagFace(NormalisedHead):
    """ArcFace whose margin grows with the feature norm, and a term that makes norms grow. a = ‖x‖:

        f' = s cos(θ_y + m(a)),    m(a) = l_m + (u_m − l_m) (a − l_a)/(u_a − l_a)
        L  = softplus(N − f') + λ_g g(a),    g(a) = 1/a + a/u_a²

    with a clipped to [l_a, u_a], and ArcFace's continuation where θ_y + m(a) exceeds π. Gradients flow
    through a. The authors train with an easy margin: none where θ_y exceeds π/2.

    Args:
        scale: s > 0.
        lower_margin, upper_margin: l_m and u_m, 0 ≤ l_m ≤ u_m ≤ π/2, in radians.
        lower_norm, upper_norm: l_a and u_a, 0 < l_a < u_a.
        norm_weight: λ_g ≥ 0.
        easy_margin: f' is s cos θ_y where cos θ_y ≤ 0, as in the authors' training, in place of ArcFace's
            continuation.
        alpha2, sample_rate: see `NormalisedHead`.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        embedding_size: int,
        identities: int,
        *,
        scale: float = 64.0,
        lower_margin: float = 0.45,
        upper_margin: float = 0.8,
        lower_norm: float = 10.0,
        upper_norm: float = 110.0,
        norm_weight: float = 35.0,
        easy_margin: bool = False,
        alpha2: float = 0.0,
        sample_rate: float = 1.0,
    ) -> None:
        super().__init__(embedding_size, identities, scale=scale, alpha2=alpha2, sample_rate=sample_rate)
        self.lower_margin = between("lower_margin", lower_margin, 0, math.pi / 2)
        self.upper_margin = between("upper_margin", upper_margin, lower_margin, math.pi / 2)
        self.lower_norm = above("lower_norm", lower_norm, 0)
        self.upper_norm = above("upper_norm", upper_norm, lower_norm)
        self.norm_weight = at_least("norm_weight", norm_weight, 0)
        self.easy_margin = easy_margin

    def changed_cosine(self, target: Target) -> Tensor:
        share = (self._clipped_norm(target) - self.lower_norm) / (self.upper_norm - self.lower_norm)
        margin = self.lower_margin + (self.upper_margin - self.lower_margin) * share
        changed = with_angular_margin(target.cosine, margin)
        return torch.where(target.cosine > 0, changed, target.cosine) if self.easy_margin else changed

    def added_loss(
        self, features: Tensor, classes: Classes, labels: Tensor, target: Target
    ) -> tuple[Tensor | float, Tensor | float]:
        norm = self._clipped_norm(target)
        return self.norm_weight * (1 / norm + norm / self.upper_norm**2), 0.0

    def _clipped_norm(self, target: Target) -> Tensor:
        return target.feature_norm.clamp(self.lower_norm, self.upper_norm)
