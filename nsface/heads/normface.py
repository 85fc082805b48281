"""NormFace (Wang, Xiang, Cheng and Yuille, ACM MM 2017, https://arxiv.org/abs/1704.06369)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nsface.heads.base import Target
from nsface.heads.normalised import NormalisedHead


class NormFace(NormalisedHead):
    """Softmax over scaled cosines, f' = s cos θ_y: no margin.

    Args:
        scale: s > 0.
        learn_scale: train s from there on (as log s, so that it stays above 0).
        alpha2, sample_rate: see `NormalisedHead`.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        embedding_size: int,
        identities: int,
        *,
        scale: float = 30.0,
        learn_scale: bool = False,
        alpha2: float = 0.0,
        sample_rate: float = 1.0,
    ) -> None:
        super().__init__(embedding_size, identities, scale=scale, alpha2=alpha2, sample_rate=sample_rate)
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale))) if learn_scale else None

    def current_scale(self) -> float | Tensor | None:
        return self.scale if self.log_scale is None else self.log_scale.exp()

    def changed_cosine(self, target: Target) -> Tensor:
        return target.cosine
