"""Noisy Softmax (Chen, Deng and Du, CVPR 2017, https://arxiv.org/abs/1708.03769)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from nsface.heads.base import Head, Target


class NoisySoftmax(Head):
    """Softmax whose target logit is lowered by annealed noise, so that samples saturate later.

        f' = f_y − α ‖W_y‖ ‖x‖ (1 − cos θ_y) |ξ| + b_y,    ξ ~ N(0, 1)

    The noise is never negative and fades as θ_y → 0: the annealing is in the factor (1 − cos θ_y), there is
    no time schedule. Gradients flow through the norms and the cosine, with ξ held constant. Other logits are
    those of softmax, and in eval mode so is the target's.

    Args:
        alpha2: α², the variance of the noise, ≥ 0; 0 is softmax. Published: 0.1 on faces and CIFAR.
        noise_per: one ξ for each "sample" (the equation read naturally), or one for each "batch" (as in the
            authors' layer).

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        embedding_size: int,
        identities: int,
        *,
        alpha2: float = 0.1,
        noise_per: Literal["sample", "batch"] = "sample",
        bias: bool = False,
    ) -> None:
        super().__init__(embedding_size, identities, bias=bias)
        if not (math.isfinite(alpha2) and alpha2 >= 0):
            raise ValueError(f"alpha2 (the variance of the noise) must be a number ≥ 0, not {alpha2}")
        if noise_per not in ("sample", "batch"):
            raise ValueError(f"noise_per must be 'sample' or 'batch', not {noise_per!r}")
        self.alpha = math.sqrt(alpha2)
        self.noise_per = noise_per

    def changed_target(self, target: Target) -> Tensor:
        # ‖W_y‖‖x‖(1 − cos θ_y) written without the division, so that zero norms are harmless
        distance = target.weight_norm * target.feature_norm - target.inner
        return target.logit - self.alpha * distance * self._noise(target.inner)

    def _noise(self, like: Tensor) -> Tensor:
        """|ξ|, of the shape of `like`, or of one element."""
        count = len(like) if self.noise_per == "sample" else 1
        return torch.randn(count, dtype=like.dtype, device=like.device, generator=self.generator).abs()
