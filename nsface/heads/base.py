"""What every training objective shares: the class weights, and the loss softplus(N − f').

A head changes only the target logit z_y, to f'. With N = log Σ_{j≠y} exp z_j over the *other* identities,
cross entropy with the changed target logit is

    L = −log( e^{f'} / (e^{f'} + e^N) ) = log(1 + e^{N − f'}) = softplus(N − f'),

so a head is a formula of (z_y, cos θ_y, ‖x‖, ‖W_y‖), and all identities are touched in one place, `others`.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from nsface.heads.others import Change, Classes, form, inverse, others, rows, taken
from nsface.heads.shard import Shard


@dataclass(frozen=True)
class Target:
    """What a head may use to change the target logit; every field float32 or float64, of shape (B,).

    Attributes:
        inner: the target logit without its bias: f_y = W_yᵀx, in normalised heads s cos θ_y.
        bias: b_y (0 without a bias); z_y = inner + bias.
        length: what `inner` would be at θ_y = 0: ‖W_y‖‖x‖, in normalised heads the scale s.
        feature_norm: ‖x‖.
        weight_norm: ‖W_y‖.
        cosine: cos θ_y, in [−1, 1]; 0 where a norm is 0.
    """

    inner: Tensor
    bias: Tensor
    length: Tensor
    feature_norm: Tensor
    weight_norm: Tensor
    cosine: Tensor

    @property
    def logit(self) -> Tensor:
        return self.inner + self.bias


@dataclass(frozen=True)
class HeadOutput:
    """Loss and saturation of a batch; every field of shape (B,), those besides `loss` detached.

    Logits are those of the head: in normalised heads the scaled cosines s cos θ_j. With sampled classes the
    other identities are those of the sample; a head that changes the logits of others counts them in N as
    changed.

    Attributes:
        loss: softplus(N − f'), and what the head adds to it.
        correct: whether the clean target logit is above all others, clean too.
        probability: p_y = sigmoid(z_y − N), the softmax probability of the label, without the head's change
            of the target logit.
        gradient: |∂L/∂f'|, which is sigmoid(N − f') where nothing is added to the loss; for softmax this is
            |∂L/∂z_y| = 1 − p_y.
    """

    loss: Tensor
    correct: Tensor
    probability: Tensor
    gradient: Tensor


class Head(nn.Module):
    """Base of all heads: `identities` class weights, and a change of the target logit.

    A subclass implements `changed_target`; that is the whole of it for most. Logits are computed in float32
    (float64 for float64 features), also under autocast.

    Args:
        embedding_size: D, at least 1.
        identities: C, at least 2.
        bias: whether a logit has a bias.

    Attributes:
        weight: C × D; of the identities of `shard` alone, where that is given.
        shard: the identities that this process holds, where they are divided among several.
        generator: where a head that draws takes its random numbers from; torch's own until `reseed`.
        step: number of training steps done, and `progress`, their share of the run, in [0, 1): what a head
            that changes with time goes by. Both are 0 until `advance`.

    Raises:
        ValueError: an argument out of its range.
    """

    unit_weights: ClassVar[bool] = False  # whether W_j is divided by its norm
    # Near zero, a class weight turns towards its own samples with the first step. Long random weights
    # stand at right angles to everything: there Noisy Softmax shrinks weights and features to nothing
    # before it has learned a direction, and stays at the loss log C.
    initial_std: ClassVar[float] = 0.001

    def __init__(self, embedding_size: int, identities: int, *, bias: bool = False) -> None:
        super().__init__()
        if embedding_size < 1:
            raise ValueError(f"embedding_size must be at least 1, not {embedding_size}")
        if identities < 2:
            raise ValueError(f"at least 2 identities are needed to train, not {identities}")
        self.weight = nn.Parameter(torch.empty(identities, embedding_size))
        nn.init.normal_(self.weight, std=self.initial_std)
        self.bias = nn.Parameter(torch.zeros(identities)) if bias else None
        self.identities = identities
        self.shard: Shard | None = None
        self.generator: torch.Generator | None = None
        self.step = 0
        self.progress = 0.0

    def reseed(self, seed: int) -> None:
        """Make the next forward pass draw what `seed` says, whatever was drawn before, here or elsewhere."""
        if self.generator is None or self.generator.device != self.weight.device:
            self.generator = torch.Generator(self.weight.device)
        self.generator.manual_seed(seed)

    def advance(self, step: int, total: int) -> None:
        """Say that the next forward pass is that of `step`, from 0, in a run of `total` steps."""
        self.step, self.progress = step, step / total

    def by_identity(self) -> dict[str, nn.Parameter]:
        """The parameters with a row an identity, by name."""
        return {"weight": self.weight} | ({} if self.bias is None else {"bias": self.bias})

    def divide(self, shard: Shard) -> None:
        """Keep of the weights those of `shard` alone, the others being on other ranks.

        From then on a forward pass is one of all ranks together: each is given the features and labels of
        the whole batch, and has the whole batch's output, equal to that of an undivided head.

        Raises:
            ValueError: the head cannot be divided.
        """
        self.shard = shard
        for name, parameter in self.by_identity().items():
            setattr(self, name, nn.Parameter(shard.part(parameter.detach())))

    def classifier(self, samples: int) -> str:
        """How a batch of `samples` meets all identities: "plain", "blocked" or "sharded", with one loss."""
        return form(samples, len(self.weight)) if self.shard is None else "sharded"

    @abstractmethod
    def changed_target(self, target: Target) -> Tensor:
        """f' of shape (B,): the target logit that the loss sees while training."""

    def changed_others(self, target: Target) -> Change | None:
        """What happens to the logits of the other identities while training; here nothing."""
        return None

    def added(
        self, features: Tensor, classes: Classes, labels: Tensor, target: Target
    ) -> tuple[Tensor | float, Tensor | float]:
        """What the loss has besides softplus(N − f') while training, and its derivative by f'; each (B,).

        Where the head is divided, `classes` are this rank's alone, and what is said of all of them has to be
        exchanged, as in `Classes.mean` and `taken`.
        """
        return 0.0, 0.0

    def forward(self, features: Tensor, labels: Tensor) -> HeadOutput:
        """Loss of `features` (B × D) under `labels` (B, int64 in [0, C)). In eval mode f' is z_y."""
        with torch.autocast(features.device.type, enabled=False):
            features = features if features.dtype == torch.float64 else features.float()
            classes, labels = self._classes(features.dtype, labels)
            weights, classes = rows(classes, labels)
            target = self._target(features, classes, labels, weights)
            logit = changed = target.logit
            change: Change | None = None
            added: Tensor | float = 0.0
            slope: Tensor | float = 0.0
            if self.training:
                changed = self.changed_target(target)
                change = self.changed_others(target)
                added, slope = self.added(features, classes, labels, target)
            n, highest = others(self._prepared(features), classes, labels, change)
            margin = n - changed
            # logaddexp(0, ·) is softplus without the threshold that would cut off saturated samples
            loss = torch.logaddexp(torch.zeros_like(margin), margin) + added
            return HeadOutput(
                loss=loss,
                correct=(logit > highest).detach(),
                probability=torch.sigmoid(logit - n).detach(),
                gradient=(torch.sigmoid(margin) - slope).abs().detach(),
            )

    def _prepared(self, features: Tensor) -> Tensor:
        """The features as they are multiplied with the class weights."""
        return features

    def _length(self, feature_norm: Tensor, weight_norm: Tensor) -> Tensor:
        """The target logit, without its bias, at θ_y = 0."""
        return weight_norm * feature_norm

    def _classes(self, dtype: torch.dtype, labels: Tensor) -> tuple[Classes, Tensor]:
        """The classes that this step is about, and where in them the `labels` are."""
        bias = None if self.bias is None else self.bias.to(dtype)
        return Classes(self.weight.to(dtype), bias, self.unit_weights, self.shard), labels

    def _target(
        self, features: Tensor, classes: Classes, labels: Tensor, weights: Tensor | None = None
    ) -> Target:
        """What the head may use under `labels`; `weights`, their W_y (B × D), where they are at hand."""
        weights = taken(classes.weight, classes, labels) if weights is None else weights
        inner = (features * weights).sum(dim=1)
        feature_norm, weight_norm = features.norm(dim=1), weights.norm(dim=1)
        cosine = (inner * inverse(feature_norm) * inverse(weight_norm)).clamp(-1, 1)
        length = self._length(feature_norm, weight_norm)
        bias = torch.zeros_like(inner) if classes.bias is None else taken(classes.bias, classes, labels)
        return Target(
            length * cosine if self.unit_weights else inner, bias, length, feature_norm, weight_norm, cosine
        )
