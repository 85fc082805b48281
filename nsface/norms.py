"""Dividing by a norm that may be 0."""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST_NORM = 1e-12


def inverse_norm(norm: Tensor) -> Tensor:
    """1 / `norm`, elementwise, and 0 where a norm is at most `SMALLEST_NORM`.

    A vector of zeros has no direction: multiplied with this it stays zero, its cosine with any other vector
    is 0, and no gradient flows into it.

    Example:
        >>> inverse_norm(torch.tensor([4.0, 0.0]))
        tensor([0.2500, 0.0000])
    """
    return torch.where(norm > SMALLEST_NORM, 1 / norm.clamp_min(SMALLEST_NORM), 0)
