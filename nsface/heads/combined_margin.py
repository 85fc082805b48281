"""The combined margin of the ArcFace paper (https://arxiv.org/abs/1801.07698, its equation 4)."""

from __future__ import annotations

import math

from torch import Tensor

from nsface.heads.base import Target
from nsface.heads.normalised import NormalisedHead, angle
from nsface.heads.psi import psi
from nsface.ranges import between


class CombinedMargin(NormalisedHead):
    """f' = s (cos(m₁ θ_y + m₂) − m₃): the margins of SphereFace, ArcFace and CosFace, all three at once.

    Where m₁ θ_y + m₂ exceeds π the cosine goes on as SphereFace's ψ(φ) = (−1)^k cos φ − 2k, k = ⌊φ/π⌋, so
    that it always falls with θ_y, without a jump. (1, 0, 0) is NormFace and (1, 0, m₃) is CosFace;
    (1, m₂, 0) is ArcFace up to θ_y + m₂ = π, beyond which ArcFace has another continuation.

    Args:
        scale: s > 0.
        m1: in [0.5, 4].
        m2: in [0, π/2], in radians.
        m3: in [0, 1].
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
        m1: float = 1.0,
        m2: float = 0.3,
        m3: float = 0.2,
        alpha2: float = 0.0,
        sample_rate: float = 1.0,
    ) -> None:
        super().__init__(embedding_size, identities, scale=scale, alpha2=alpha2, sample_rate=sample_rate)
        self.m1 = between("m1", m1, 0.5, 4)
        self.m2 = between("m2", m2, 0, math.pi / 2)
        self.m3 = between("m3", m3, 0, 1)

    def changed_cosine(self, target: Target) -> Tensor:
        return psi(self.m1 * angle(target.cosine) + self.m2) - self.m3
