"""Softmax with gradient decay (Zhang et al., https://arxiv.org/abs/2210.17145)."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor

from nsface.heads.base import Head, Target
from nsface.heads.noise import Noise
from nsface.heads.other_identities import Classes
from nsface.ranges import above, between, one_of

WarmupShape = Literal["linear", "geometric"]


class GradientDecay(Head):
    """Softmax whose gradient on a sample falls earlier or later while the sample is learned.

        J = −log( e^{z_y} / (Σ_{i≠y} e^{z_i} + β e^{z_y}) ) = softplus(N − f') + log β,    f' = z_y + log β

    |∂J/∂z_y| = (1 − p)/(1 + (β − 1)p): with β < 1 it stays high until late (a margin of −log β), with β > 1
    it fades early, which calibrates better. J is above log β, and so below 0 at times for β < 1.

    Args:
        beta: β > 0; 1 is softmax.
        warmup: the share of the run, in [0, 1], over which β moves from `warmup_from` to `beta`.
        warmup_from: β of the first step, > 0, where there is a warm-up.
        warmup_shape: β rises by equal steps ("linear"), or by equal factors ("geometric").
        alpha2: α² ≥ 0 of annealed noise on the target logit (see `NoisySoftmax`); 0 is none.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        embedding_size: int,
        identities: int,
        *,
        beta: float = 0.1,
        warmup: float = 0.0,
        warmup_from: float = 0.01,
        warmup_shape: WarmupShape = "linear",
        alpha2: float = 0.0,
        bias: bool = False,
    ) -> None:
        super().__init__(embedding_size, identities, bias=bias)
        self.beta = above("beta", beta, 0)
        self.warmup = between("warmup", warmup, 0, 1)
        self.warmup_from = above("warmup_from", warmup_from, 0)
        self.warmup_shape = one_of("warmup_shape", warmup_shape, WarmupShape)
        self.noise = Noise(alpha2)

    def current_beta(self) -> float:
        """β of the present step."""
        if self.progress >= self.warmup:
            return self.beta
        share = self.progress / self.warmup
        if self.warmup_shape == "linear":
            return self.warmup_from + share * (self.beta - self.warmup_from)
        return float(self.warmup_from ** (1 - share) * self.beta**share)

    def changed_target(self, target: Target) -> Tensor:
        return target.logit + math.log(self.current_beta()) - self.noise(target, self.generator)

    def added_loss(
        self, features: Tensor, classes: Classes, labels: Tensor, target: Target
    ) -> tuple[Tensor | float, Tensor | float]:
        return math.log(self.current_beta()), 0.0
