"""DisturbLabel (Xie, Wang, Wei, Wang and Tian, CVPR 2016, https://arxiv.org/abs/1605.00055)."""

from __future__ import annotations

import torch
from torch import Tensor

from nsface.heads.base import Head, Target
from nsface.heads.other_identities import Classes
from nsface.ranges import between


class DisturbLabel(Head):
    """Softmax with a random part of the labels replaced by wrong ones.

    With probability α a sample's label y is redrawn, uniformly from all C, as ỹ: the true one is kept with
    probability 1 − α(C − 1)/C, each other one drawn with α/C. The loss under ỹ is

        L = softplus(N − z_y) + z_y − z_ỹ,

    with N over the identities other than y. Its mean over ỹ is label smoothing with ε = α. `correct` and
    `probability` are those of the true label; `gradient` is |∂L/∂z_y|, p_y where ỹ ≠ y.

    Args:
        alpha: α in [0, 1]; 0 is softmax. 0.1 to 0.2 is usual.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self, embedding_size: int, identities: int, *, alpha: float = 0.1, bias: bool = False
    ) -> None:
        super().__init__(embedding_size, identities, bias=bias)
        self.alpha = between("alpha", alpha, 0, 1)

    def changed_target(self, target: Target) -> Tensor:
        return target.logit

    def added_loss(
        self, features: Tensor, classes: Classes, labels: Tensor, target: Target
    ) -> tuple[Tensor | float, Tensor | float]:
        disturbed = self.disturbed(labels)
        difference = target.logit - self._target(features, classes, disturbed).logit
        return difference, (disturbed != labels).to(features.dtype)

    def disturbed(self, labels: Tensor) -> Tensor:
        """The labels ỹ that this step is trained with, drawn anew, of shape (B,)."""
        draw = torch.rand(len(labels), device=labels.device, generator=self.generator)
        uniform = torch.randint(self.identities, labels.shape, device=labels.device, generator=self.generator)
        return torch.where(draw < self.alpha, uniform, labels)
