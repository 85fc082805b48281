"""Center loss (Wen, Zhang, Li and Qiao, ECCV 2016, https://ydwen.github.io/papers/WenECCV16.pdf)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from nsface.auxiliary.base import Auxiliary


class Center(Auxiliary):
    """Features are drawn to the centre of their identity.

        L = ½ mean_i ‖x_i − c_{y_i}‖²

    over the features as they are, not normalised. The paper writes the sum over the batch, beside a softmax
    loss that is a sum too; both are means here, so its λ is `weight`. Centres start at 0 and learn by no
    gradient: with each training batch, after the loss, the centre of an identity with n samples in it moves:

        c ← c + rate · Σ_{i: y_i = y} (x_i − c) / (1 + n)

    They are part of a run's state; in eval mode they stay where they are.

    Args:
        rate: the paper's α, in (0, 1].

    Raises:
        ValueError: an argument out of its range.
    """

    needs_pairs: ClassVar[bool] = False
    centers: Tensor

    def __init__(
        self, embedding_size: int, identities: int, *, weight: float = 0.008, rate: float = 0.5
    ) -> None:
        super().__init__(embedding_size, identities, weight=weight)
        if not 0 < rate <= 1:
            raise ValueError(f"rate must be a number > 0 and ≤ 1, not {rate}")
        self.rate = rate
        self.register_buffer("centers", torch.zeros(identities, embedding_size))

    def loss(self, features: Tensor, labels: Tensor) -> Tensor:
        offsets = features - self.centers[labels].to(features.dtype)
        if self.training:
            self._move(offsets.detach(), labels)
        return offsets.square().sum(dim=1).mean() / 2

    @torch.no_grad()
    def _move(self, offsets: Tensor, labels: Tensor) -> None:
        # Every sample computes the whole step of its identity: a product of matrices, whose order of
        # summation does not change from run to run, where that of a scattered sum on a GPU would.
        same = (labels[:, None] == labels[None, :]).to(offsets.dtype)
        steps = same @ offsets / (1 + same.sum(dim=1, keepdim=True))
        self.centers[labels] += (self.rate * steps).to(self.centers.dtype)
