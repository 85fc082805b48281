"""Softmax cross entropy."""

from __future__ import annotations

from torch import Tensor

from nsface.heads.base import Head, Target


class Softmax(Head):
    """L = −log softmax(z)_y with z_j = W_jᵀx + b_j: the target logit is not changed.

    Args:
        bias: whether a logit has a bias b_j, which starts at 0.
    """

    def changed_target(self, target: Target) -> Tensor:
        return target.logit
