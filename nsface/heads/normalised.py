"""What the heads share whose logits are cosines: z_j = s cos θ_j."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from nsface.heads.base import Head, Target
from nsface.heads.noise import Noise
from nsface.heads.others import Classes, form, inverse
from nsface.heads.ranges import above, between
from nsface.heads.shard import Shard


class NormalisedHead(Head):
    """Features and class weights are divided by their norms: z_j = s cos θ_j, without a bias.

    A subclass says in `changed_cosine` what becomes of cos θ_y. Annealed noise may follow (of the same form
    as in Noisy Softmax, with s for ‖W_y‖‖x‖), so that with c' the changed cosine

        f' = s c' − α s (1 − cos θ_y) |ξ|,    ξ ~ N(0, 1), one for each sample.

    Args:
        scale: s > 0. None: ‖x‖, so that features are not normalised.
        alpha2: α², the variance of the noise, ≥ 0; 0 is none.
        sample_rate: the share, in (0, 1], of the identities that a step is about. Below 1, N is over a
            random sample of them that holds the batch's own (partial classes, as in
            https://arxiv.org/abs/2010.05222); the loss is then lower than over all.

    Raises:
        ValueError: an argument out of its range.
    """

    unit_weights: ClassVar[bool] = True
    # Only the direction of a weight counts, but its norm divides its gradient: near zero, one step would
    # turn it anywhere.
    initial_std: ClassVar[float] = 0.01

    def __init__(
        self,
        embedding_size: int,
        identities: int,
        *,
        scale: float | None,
        alpha2: float = 0.0,
        sample_rate: float = 1.0,
    ) -> None:
        super().__init__(embedding_size, identities)
        self.scale = None if scale is None else above("scale", scale, 0)
        self.noise = Noise(alpha2)
        self.sample_rate = between("sample_rate", sample_rate, 0, 1, open_low=True)

    @abstractmethod
    def changed_cosine(self, target: Target) -> Tensor:
        """c' of shape (B,): what the loss sees in place of cos θ_y while training."""

    def changed_target(self, target: Target) -> Tensor:
        changed = target.length * self.changed_cosine(target)
        return changed - self.noise(target, self.generator)

    def divide(self, shard: Shard) -> None:
        if self.sample_rate < 1:
            raise ValueError(
                f"sample_rate is {self.sample_rate}, but must be 1 with several ranks: "
                "each has only its part of the identities to go through"
            )
        super().divide(shard)

    def classifier(self, samples: int) -> str:
        return form(samples, self._sampled()) if self.shard is None else super().classifier(samples)

    def current_scale(self) -> float | Tensor | None:
        """s of this step."""
        return self.scale

    def _prepared(self, features: Tensor) -> Tensor:
        scale = self.current_scale()
        return features if scale is None else features * (scale * inverse(features.norm(dim=1)))[:, None]

    def _length(self, feature_norm: Tensor, weight_norm: Tensor) -> Tensor:
        scale = self.current_scale()
        return feature_norm if scale is None else scale * torch.ones_like(feature_norm)

    def _sampled(self) -> int:
        return math.ceil(self.sample_rate * len(self.weight))

    def _classes(self, dtype: torch.dtype, labels: Tensor) -> tuple[Classes, Tensor]:
        classes, labels = super()._classes(dtype, labels)
        if not self.training or self.sample_rate == 1:
            return classes, labels
        # the batch's own identities come before all others, which come in random order
        order = torch.rand(len(self.weight), device=labels.device, generator=self.generator)
        order[labels] = 2
        own = int((order == 2).sum())
        kept = order.topk(max(self._sampled(), own, 2)).indices.sort().values
        return Classes(classes.weight[kept], None, unit=True), torch.searchsorted(kept, labels)


def angle(cosine: Tensor) -> Tensor:
    """θ of shape (B,), in [0, π]; its derivative, infinite at both ends, is 0 there."""
    small = torch.finfo(cosine.dtype).eps
    return cosine.clamp(-1 + small, 1 - small).arccos()
