"""Center loss (Wen, Zhang, Li and Qiao, ECCV 2016, https://ydwen.github.io/papers/WenECCV16.pdf)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from nsface.auxiliary.base import Auxiliary
from nsface.ranges import between


class Center(Auxiliary):
    """Features are pulled towards the centre of their identity.

        L = ½ mean_i ‖x_i − c_{y_i}‖²

    over the features as they are, not normalised. The paper writes the sum over the batch, beside a softmax
    loss that is a sum too; both are means here, so its λ is `weight`. Centres start at 0, without a
    gradient. After the loss of each training batch, the centre of an identity with n samples in it moves:

        c ← c + rate · Σ_{i: y_i = y} (x_i − c) / (1 + n)

    The centres are part of a run's state. In eval mode they do not move.

    Args:
        rate: the paper's α, in (0, 1].

    Raises:
        ValueError: an argument out of its range.
    """

    needs_pairs: ClassVar[bool] = False
    buffers_by_identity: ClassVar[tuple[str, ...]] = ("centers",)
    centers: Tensor

    def __init__(
        self, embedding_size: int, identities: int, *, weight: float = 0.008, rate: float = 0.5
    ) -> None:
        super().__init__(embedding_size, identities, weight=weight)
        self.rate = between("rate", rate, 0, 1, open_low=True)
        self.register_buffer("centers", torch.zeros(identities, embedding_size))

    def loss(self, features: Tensor, labels: Tensor) -> Tensor:
        offsets = features - self.centers[labels].to(features.dtype)
        if self.training:
            self._move_centers(offsets.detach(), labels)
        return offsets.square().sum(dim=1).mean() / 2

    @torch.no_grad()
    def _move_centers(self, offsets: Tensor, labels: Tensor) -> None:
        # Every sample computes the whole step of its identity: a product of matrices, whose order of
        # summation does not change from run to run, where that of a scattered sum on a GPU would.
        same = (labels[:, None] == labels[None, :]).to(offsets.dtype)
        steps = same @ offsets / (1 + same.sum(dim=1, keepdim=True))
        self.centers[labels] += (self.rate * steps).to(self.centers.dtype)
