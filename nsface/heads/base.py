"""What every training objective shares: the class weights, and the loss softplus(N − f').

A head changes only the target logit z_y, to f'. With N = log Σ_{j≠y} exp z_j over the *other* identities,
cross entropy with the changed target logit is

    L = −log( e^{f'} / (e^{f'} + e^N) ) = log(1 + e^{N − f'}) = softplus(N − f'),

so a head is a formula of (z_y, cos θ_y, ‖x‖, ‖W_y‖), and all identities are touched in one place.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

SMALLEST_NORM = 1e-12


@dataclass(frozen=True)
class Target:
    """What a head may use to change the target logit; every field float32 or float64, of shape (B,).

    Attributes:
        inner: f_y = W_yᵀx, without the bias.
        bias: b_y (0 without a bias); z_y = inner + bias.
        feature_norm: ‖x‖.
        weight_norm: ‖W_y‖.
        cosine: cos θ_y, in [−1, 1]; 0 where a norm is 0.
    """

    inner: Tensor
    bias: Tensor
    feature_norm: Tensor
    weight_norm: Tensor
    cosine: Tensor

    @property
    def logit(self) -> Tensor:
        return self.inner + self.bias


@dataclass(frozen=True)
class HeadOutput:
    """Loss and saturation of a batch; every field of shape (B,), those besides `loss` detached.

    Attributes:
        loss: softplus(N − f').
        correct: whether the clean target logit is above all others.
        probability: p_y = sigmoid(z_y − N), the softmax probability of the label, without the head's change.
        gradient: |∂L/∂f'| = sigmoid(N − f'); for softmax this is |∂L/∂z_y| = 1 − p_y.
    """

    loss: Tensor
    correct: Tensor
    probability: Tensor
    gradient: Tensor


class Head(nn.Module):
    """Base of all heads: `identities` class weights, and a change of the target logit.

    A subclass implements `changed_target`; that is the whole of it. Logits are computed in float32 (float64
    for float64 features), also under autocast.

    Args:
        embedding_size: D, at least 1.
        identities: C, at least 2.
        bias: whether a logit has a bias.

    Attributes:
        weight: C × D.
        generator: where a head that draws takes its random numbers from; torch's own until `reseed`.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(self, embedding_size: int, identities: int, *, bias: bool = False) -> None:
        super().__init__()
        if embedding_size < 1:
            raise ValueError(f"embedding_size must be at least 1, not {embedding_size}")
        if identities < 2:
            raise ValueError(f"at least 2 identities are needed to train, not {identities}")
        self.weight = nn.Parameter(torch.empty(identities, embedding_size))
        # Near zero, a class weight turns towards its own samples with the first step. Long random weights
        # stand at right angles to everything: there Noisy Softmax shrinks weights and features to nothing
        # before it has learned a direction, and stays at the loss log C.
        nn.init.normal_(self.weight, std=0.001)
        self.bias = nn.Parameter(torch.zeros(identities)) if bias else None
        self.generator: torch.Generator | None = None

    def reseed(self, seed: int) -> None:
        """Make the next forward pass draw what `seed` says, whatever was drawn before, here or elsewhere."""
        if self.generator is None or self.generator.device != self.weight.device:
            self.generator = torch.Generator(self.weight.device)
        self.generator.manual_seed(seed)

    @abstractmethod
    def changed_target(self, target: Target) -> Tensor:
        """f' of shape (B,): the target logit that the loss sees while training."""

    def forward(self, features: Tensor, labels: Tensor) -> HeadOutput:
        """Loss of `features` (B × D) under `labels` (B, int64 in [0, C)). In eval mode f' is z_y."""
        with torch.autocast(features.device.type, enabled=False):
            features = features if features.dtype == torch.float64 else features.float()
            target = self._target(features, labels)
            others, highest = self._others(features, labels)
            logit = target.logit
            changed = self.changed_target(target) if self.training else logit
            margin = others - changed
            # logaddexp(0, ·) is softplus without the threshold that would cut off saturated samples
            loss = torch.logaddexp(torch.zeros_like(margin), margin)
            return HeadOutput(
                loss=loss,
                correct=(logit > highest).detach(),
                probability=torch.sigmoid(logit - others).detach(),
                gradient=torch.sigmoid(margin).detach(),
            )

    def _target(self, features: Tensor, labels: Tensor) -> Target:
        weights = self.weight.to(features.dtype)[labels]
        inner = (features * weights).sum(dim=1)
        feature_norm = features.norm(dim=1)
        weight_norm = weights.norm(dim=1)
        cosine = inner / (feature_norm * weight_norm).clamp_min(SMALLEST_NORM)
        bias = torch.zeros_like(inner) if self.bias is None else self.bias.to(features.dtype)[labels]
        return Target(inner, bias, feature_norm, weight_norm, cosine.clamp(-1, 1))

    def _others(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """N, and the highest logit, over the identities other than the label; each of shape (B,)."""
        bias = None if self.bias is None else self.bias.to(features.dtype)
        logits = nn.functional.linear(features, self.weight.to(features.dtype), bias)
        logits = logits.scatter(1, labels[:, None], -math.inf)
        return logits.logsumexp(dim=1), logits.detach().amax(dim=1)
