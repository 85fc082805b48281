"""Label smoothing (Szegedy et al., CVPR 2016, https://arxiv.org/abs/1512.00567)."""

from __future__ import annotations

from torch import Tensor

from nsface.heads.base import Head, Target
from nsface.heads.other_identities import Classes
from nsface.ranges import between


class LabelSmoothing(Head):
    """Cross entropy with the target distribution 1 − ε at the label plus ε/C everywhere.

        L = softplus(N − z_y) + ε (z_y − z̄),    z̄ = (1/C) Σ_j z_j = W̄ᵀx + b̄

    Args:
        epsilon: ε in [0, 1]; 0 is softmax.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self, embedding_size: int, identities: int, *, epsilon: float = 0.1, bias: bool = False
    ) -> None:
        super().__init__(embedding_size, identities, bias=bias)
        self.epsilon = between("epsilon", epsilon, 0, 1)

    def changed_target(self, target: Target) -> Tensor:
        return target.logit

    def added_loss(
        self, features: Tensor, classes: Classes, labels: Tensor, target: Target
    ) -> tuple[Tensor | float, Tensor | float]:
        weight, bias = classes.mean()
        mean = features @ weight + bias
        return self.epsilon * (target.logit - mean), self.epsilon * (1 - 1 / self.identities)
