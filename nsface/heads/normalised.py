"""The base of the heads whose logits are scaled cosines: z_j = s cos θ_j."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from nsface.heads.base import Head, Target
from nsface.heads.noise import Noise
from nsface.heads.other_identities import Classes, classifier_form
from nsface.norms import inverse_norm
from nsface.ranges import above, between
from nsface.seeds import derived_seed


class NormalisedHead(Head):
    """Features and class weights are divided by their norms: z_j = s cos θ_j, without a bias.

    A subclass returns the changed cosine c' from `changed_cosine`. Annealed noise may follow, as in Noisy
    Softmax with s in place of ‖W_y‖‖x‖:

        f' = s c' − α s (1 − cos θ_y) |ξ|,    ξ ~ N(0, 1), one for each sample.

    Args:
        scale: s > 0; None: s is ‖x‖, so that features are not normalised.
        alpha2: α², the variance of the noise, ≥ 0; 0 is none.
        sample_rate: the share of the identities that a step uses, in (0, 1]. Below 1, N is over a random
            sample of them, which always contains the identities of the batch (partial classes, as in
            https://arxiv.org/abs/2010.05222); the loss is then lower than over all identities. Of a head that
            is divided among ranks, each rank draws this share of those that it holds.

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
        self._sampling: torch.Generator | None = None  # of a divided head: each rank's own

    @abstractmethod
    def changed_cosine(self, target: Target) -> Tensor:
        """c' of shape (B,), which takes the place of cos θ_y in the loss while training."""

    def changed_target(self, target: Target) -> Tensor:
        changed = target.length * self.changed_cosine(target)
        return changed - self.noise(target, self.generator)

    def classifier_form(self, samples: int) -> str:
        return (
            classifier_form(samples, self._sampled_identities())
            if self.shard is None
            else super().classifier_form(samples)
        )

    def current_scale(self) -> float | Tensor | None:
        """s of this step; None: ‖x‖ takes its place."""
        return self.scale

    def _scaled_features(self, features: Tensor) -> Tensor:
        scale = self.current_scale()
        return features if scale is None else features * (scale * inverse_norm(features.norm(dim=1)))[:, None]

    def _length(self, feature_norm: Tensor, weight_norm: Tensor) -> Tensor:
        scale = self.current_scale()
        return feature_norm if scale is None else scale * torch.ones_like(feature_norm)

    def reseed(self, seed: int) -> None:
        super().reseed(seed)
        if self.shard is not None and self.sample_rate < 1:
            # of the generator of the head all ranks must have taken as many numbers
            if self._sampling is None or self._sampling.device != self.weight.device:
                self._sampling = torch.Generator(self.weight.device)
            self._sampling.manual_seed(derived_seed(seed, f"classes/{self.shard.rank}"))

    def _sampled_identities(self) -> int:
        """How many of the identities that are held here a step uses at least."""
        return math.ceil(self.sample_rate * len(self.weight))

    def _classes(self, dtype: torch.dtype, labels: Tensor) -> tuple[Classes, Tensor]:
        classes, labels = super()._classes(dtype, labels)
        if not self.training or self.sample_rate == 1:
            return classes, labels
        if self.shard is not None:
            part = self.shard.sample(labels, self._sampled_identities(), self._sampling)
            return Classes(classes.weight[part.kept], None, unit=True, shard=part), labels
        # the identities of the batch come first, then the rest in random order
        order = torch.rand(len(self.weight), device=labels.device, generator=self.generator)
        order[labels] = 2
        own = int((order == 2).sum())
        kept = order.topk(max(self._sampled_identities(), own, 2)).indices.sort().values
        return replace(classes, weight=classes.weight[kept]), torch.searchsorted(kept, labels)


def angle(cosine: Tensor) -> Tensor:
    """θ in [0, π], of the shape of `cosine`. Its derivative, which is infinite at both ends, is 0 there."""
    small = torch.finfo(cosine.dtype).eps
    return cosine.clamp(-1 + small, 1 - small).arccos()
