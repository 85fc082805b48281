"""The noise of Noisy Softmax (https://arxiv.org/abs/1708.03769): what a head takes from its target logit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nsface.heads.base import Target
from nsface.heads.ranges import at_least, between, one_of

Variant = Literal["annealed", "amplitude", "free"]
Law = Literal["half-normal", "normal"]
Unit = Literal["sample", "batch"]
Fading = Literal["constant", "linear", "cosine"]


@dataclass(frozen=True)
class Noise:
    """(1 − λ) (α|ξ| + μ) · reach, ξ ~ N(0, 1), with reach

        annealed   ‖W_y‖ ‖x‖ (1 − cos θ_y)        (in normalised heads s stands for ‖W_y‖‖x‖)
        amplitude  ‖W_y‖ ‖x‖
        free       1

    Gradients flow through the reach; ξ is a constant.

    Attributes:
        alpha2: α², ≥ 0; with 0 nothing is drawn, and μ stays.
        law: "half-normal" is |ξ|, "normal" is ξ itself, which also raises logits.
        per: one ξ for each "sample", or one for the "batch".
        lamda: λ in [0, 1].
        miu: μ ≥ 0.
        schedule: α over the run: "constant", or falling to 0 at its end, as 1 − t or (1 + cos πt)/2.

    Raises:
        ValueError: an argument out of its range.
    """

    alpha2: float
    variant: Variant = "annealed"
    law: Law = "half-normal"
    per: Unit = "sample"
    lamda: float = 0.0
    miu: float = 0.0
    schedule: Fading = "constant"

    def __post_init__(self) -> None:
        at_least("alpha2 (the variance of the noise)", self.alpha2, 0)
        between("lamda (λ)", self.lamda, 0, 1)
        at_least("miu (μ)", self.miu, 0)
        one_of("variant", self.variant, Variant)
        one_of("noise", self.law, Law)
        one_of("noise_per", self.per, Unit)
        one_of("alpha_schedule", self.schedule, Fading)

    def __call__(self, target: Target, generator: torch.Generator | None, progress: float = 0.0) -> Tensor:
        """The noise of a batch, of shape (B,), at `progress` in [0, 1] of the run."""
        if self.alpha2 == self.miu == 0:
            return torch.zeros_like(target.inner)
        share: Tensor | float = self.miu
        if self.alpha2 > 0:
            share = self.alpha(progress) * self._draw(target.inner, generator) + self.miu
        return (1 - self.lamda) * share * self._reach(target)

    def alpha(self, progress: float) -> float:
        """α at `progress` of the run."""
        fading = {"constant": 1.0, "linear": 1 - progress, "cosine": (1 + math.cos(math.pi * progress)) / 2}
        return math.sqrt(self.alpha2) * fading[self.schedule]

    def _reach(self, target: Target) -> Tensor:
        if self.variant == "free":
            return torch.ones_like(target.inner)
        if self.variant == "amplitude":
            return target.length
        # ‖W_y‖‖x‖(1 − cos θ_y) written without the division, so that zero norms are harmless
        return target.length - target.inner

    def _draw(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        """|ξ|, or ξ, of the shape of `like`, or of one element."""
        count = len(like) if self.per == "sample" else 1
        xi = torch.randn(count, dtype=like.dtype, device=like.device, generator=generator)
        return xi.abs() if self.law == "half-normal" else xi
