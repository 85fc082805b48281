"""The noise of Noisy Softmax (https://arxiv.org/abs/1708.03769), by which a head lowers its target logit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nsface.heads.base import Target
from nsface.ranges import at_least, between, one_of

Variant = Literal["annealed", "amplitude", "free"]
Distribution = Literal["half-normal", "normal"]
NoisePer = Literal["sample", "batch"]
AlphaSchedule = Literal["constant", "linear", "cosine"]


@dataclass(frozen=True)
class Noise:
    """The noise (1 − λ) (α|ξ| + μ) · magnitude, ξ ~ N(0, 1), where the magnitude depends on the variant:

        annealed   ‖W_y‖ ‖x‖ (1 − cos θ_y)        (in normalised heads s stands for ‖W_y‖‖x‖)
        amplitude  ‖W_y‖ ‖x‖
        free       1

    Gradients flow through the magnitude; ξ is a constant.

    Attributes:
        alpha2: α², ≥ 0; with 0 nothing is drawn, and the term with μ stays.
        variant: "annealed", "amplitude" or "free".
        distribution: "half-normal" is |ξ|, "normal" is ξ itself, which also raises logits.
        per: one ξ for each "sample", or one for the "batch".
        lamda: λ in [0, 1].
        miu: μ ≥ 0.
        schedule: how α changes over the run, t being the share that is done: "constant", or falling to 0 as
            1 − t ("linear") or (1 + cos πt)/2 ("cosine").

    Raises:
        ValueError: an argument out of its range.
    """

    alpha2: float
    variant: Variant = "annealed"
    distribution: Distribution = "half-normal"
    per: NoisePer = "sample"
    lamda: float = 0.0
    miu: float = 0.0
    schedule: AlphaSchedule = "constant"

    def __post_init__(self) -> None:
        at_least("alpha2 (the variance of the noise)", self.alpha2, 0)
        between("lamda (λ)", self.lamda, 0, 1)
        at_least("miu (μ)", self.miu, 0)
        one_of("variant", self.variant, Variant)
        one_of("noise", self.distribution, Distribution)
        one_of("noise_per", self.per, NoisePer)
        one_of("alpha_schedule", self.schedule, AlphaSchedule)

    def __call__(self, target: Target, generator: torch.Generator | None, progress: float = 0.0) -> Tensor:
        """The noise of a batch, of shape (B,), at `progress` in [0, 1] of the run."""
        if self.alpha2 == self.miu == 0:
            return torch.zeros_like(target.inner)
        amount: Tensor | float = self.miu
        if self.alpha2 > 0:
            amount = self.alpha(progress) * self._draw(target.inner, generator) + self.miu
        return (1 - self.lamda) * amount * self._magnitude(target)

    def alpha(self, progress: float) -> float:
        """α at `progress` of the run."""
        factors = {"constant": 1.0, "linear": 1 - progress, "cosine": (1 + math.cos(math.pi * progress)) / 2}
        return math.sqrt(self.alpha2) * factors[self.schedule]

    def _magnitude(self, target: Target) -> Tensor:
        if self.variant == "free":
            return torch.ones_like(target.inner)
        if self.variant == "amplitude":
            return target.length
        # ‖W_y‖‖x‖(1 − cos θ_y) written without the division, so that zero norms are harmless
        return target.length - target.inner

    def _draw(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        """|ξ| or ξ, of the shape of `like`, or of one element for the whole batch."""
        count = len(like) if self.per == "sample" else 1
        xi = torch.randn(count, dtype=like.dtype, device=like.device, generator=generator)
        return xi.abs() if self.distribution == "half-normal" else xi
