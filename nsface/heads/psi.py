"""ψ, a cosine that goes on falling past π, and the weight λ with which it is introduced.

From L-Softmax (https://arxiv.org/abs/1612.02295) and SphereFace (https://arxiv.org/abs/1704.08063).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def psi(angle: Tensor) -> Tensor:
    """ψ(φ) = (−1)^k cos φ − 2k with k = ⌊φ/π⌋, for φ = `angle` ≥ 0 of shape (B,); it falls throughout."""
    k = (angle.detach() / math.pi).floor()
    return (1 - 2 * (k % 2)) * angle.cos() - 2 * k


def psi_of_multiple(cosine: Tensor, m: int) -> Tensor:
    """ψ(mθ) from cos θ, without the angle: cos mθ is the Chebyshev polynomial T_m of cos θ, m ≥ 1."""
    k = torch.zeros_like(cosine)
    for i in range(1, m):
        k += cosine.detach() <= math.cos(i * math.pi / m)
    before, multiple = torch.ones_like(cosine), cosine
    for _ in range(m - 1):
        before, multiple = multiple, 2 * cosine * multiple - before
    return (1 - 2 * (k % 2)) * multiple - 2 * k


def annealed_lambda(step: int, lowest: float, annealing: float) -> float:
    """λ = max(`lowest`, 1000 / (1 + `annealing` · step)), the weight of the unchanged logit beside ψ's 1."""
    return max(lowest, 1000 / (1 + annealing * step))
