"""ArcFace (Deng, Guo, Xue and Zafeiriou, CVPR 2019, https://arxiv.org/abs/1801.07698)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nsface.heads.base import Target
from nsface.heads.normalised import NormalisedHead, angle
from nsface.ranges import between


class ArcFace(NormalisedHead):
    """f' = s cos(θ_y + m): a margin on the angle.

    Where θ_y + m exceeds π it is s (cos θ_y − m sin m), as in the authors' code, so that it goes on falling.

    Args:
        scale: s > 0.
        margin: m in [0, π/2], in radians; 0 is NormFace.
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
        margin: float = 0.5,
        alpha2: float = 0.0,
        sample_rate: float = 1.0,
    ) -> None:
        super().__init__(embedding_size, identities, scale=scale, alpha2=alpha2, sample_rate=sample_rate)
        self.margin = between("margin", margin, 0, math.pi / 2)

    def changed_cosine(self, target: Target) -> Tensor:
        return with_angular_margin(target.cosine, torch.full_like(target.cosine, self.margin))


def with_angular_margin(cosine: Tensor, margin: Tensor) -> Tensor:
    """cos(θ + m), and cos θ − m sin m where θ + m > π; every tensor of shape (B,)."""
    return torch.where(cosine > -margin.cos(), (angle(cosine) + margin).cos(), cosine - margin * margin.sin())
