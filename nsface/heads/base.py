"""What every training objective shares: the class weights, and the loss softplus(N − f').

A head changes only the target logit z_y, to f'. With N = log Σ_{j≠y} exp z_j over the *other* identities,
cross entropy with the changed target logit is

    L = −log( e^{f'} / (e^{f'} + e^N) ) = log(1 + e^{N − f'}) = softplus(N − f'),

so a head is a formula of (z_y, cos θ_y, ‖x‖, ‖W_y‖), and N is computed in one place, for all heads:
`nsface.heads.other_identities`.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from nsface.heads.other_identities import (
    Classes,
    LogitChange,
    classifier_form,
    gather_rows,
    label_weights,
    reduce_other_identities,
)
from nsface.heads.shard import Shard
from nsface.norms import inverse_norm


@dataclass(frozen=True)
class Target:
    """What a head may use to change the target logit. Every field is float32 or float64, of shape (B,).

    Attributes:
        inner: the target logit without its bias: f_y = W_yᵀx, in normalised heads s cos θ_y.
        bias: b_y (0 without a bias); z_y = inner + bias.
        length: the value of `inner` at θ_y = 0: ‖W_y‖‖x‖, in normalised heads the scale s.
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
        """z_y, the target logit before the head changes it."""
        return self.inner + self.bias


@dataclass(frozen=True)
class HeadOutput:
    """Loss and saturation of a batch. Every field has shape (B,), and only `loss` has a gradient.

    The logits are those of the head: in normalised heads the scaled cosines s cos θ_j. With sampled classes
    the other identities are those of the sample. Where a head changes the logits of other identities, N is
    that of the changed logits.

    Attributes:
        loss: softplus(N − f'), plus the head's added loss.
        correct: whether the target logit is the highest of all logits, each before any change.
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
    """The base of all heads: `identities` class weights, and a change of the target logit.

    Most subclasses implement `changed_target` and nothing else. Logits are computed in float32 (float64 for
    float64 features), also under autocast.

    Args:
        embedding_size: D, at least 1.
        identities: C, at least 2.
        bias: whether a logit has a bias.

    Attributes:
        weight: C × D; with a `shard`, the rows of its identities alone.
        shard: the identities that this process holds, where they are divided among several processes.
        generator: the source of a head's random numbers; None, which is torch's global one, until `reseed`.
        step: the number of training steps done; 0 until `advance`.
        factors: the type that features and class weights are rounded to for N, the product with all
            identities; None: they are not rounded. The target logit never is.
        progress: the share of the run that is done, in [0, 1); 0 until `advance`. Heads that change over the
            run depend on `step` or `progress`.

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
        self.factors: torch.dtype | None = None
        self.generator: torch.Generator | None = None
        self.step = 0
        self.progress = 0.0

    def reseed(self, seed: int) -> None:
        """Make the draws of the next forward pass depend on `seed` alone."""
        if self.generator is None or self.generator.device != self.weight.device:
            self.generator = torch.Generator(self.weight.device)
        self.generator.manual_seed(seed)

    def advance(self, step: int, total: int) -> None:
        """Set the step that the next forward pass belongs to: `step`, from 0, of a run of `total` steps."""
        self.step, self.progress = step, step / total

    def parameters_by_identity(self) -> dict[str, nn.Parameter]:
        """The parameters that have one row for each identity, by name."""
        return {"weight": self.weight} | ({} if self.bias is None else {"bias": self.bias})

    def divide(self, shard: Shard) -> None:
        """Keep only the class weights of `shard`; other ranks hold the rest.

        From then on all ranks must call the forward pass together. Each gives the features and labels of the
        whole batch, and receives the output of the whole batch, which equals that of an undivided head.

        Raises:
            ValueError: the head cannot be divided.
        """
        self.shard = shard
        for name, parameter in self.parameters_by_identity().items():
            setattr(self, name, nn.Parameter(shard.own_part(parameter.detach())))

    def classifier_form(self, samples: int) -> str:
        """The form in which N is computed for a batch of `samples`: "plain", "blocked" or "sharded"."""
        return classifier_form(samples, len(self.weight)) if self.shard is None else "sharded"

    @abstractmethod
    def changed_target(self, target: Target) -> Tensor:
        """f' of shape (B,): the target logit that takes the place of z_y in the loss while training."""

    def change_of_other_logits(self, target: Target) -> LogitChange | None:
        """How the head changes the logits of the other identities while training; None: not at all."""
        return None

    def added_loss(
        self, features: Tensor, classes: Classes, labels: Tensor, target: Target
    ) -> tuple[Tensor | float, Tensor | float]:
        """The term that is added to softplus(N − f') while training, and its derivative by f'; each (B,).

        Where the head is divided, `classes` are those of this rank. What depends on all classes must then be
        exchanged among the ranks, as `Classes.mean` and `gather_rows` do.
        """
        return 0.0, 0.0

    def forward(self, features: Tensor, labels: Tensor) -> HeadOutput:
        """The loss of `features` (B × D) under `labels` (B, int64 in [0, C)). In eval mode f' is z_y."""
        with torch.autocast(features.device.type, enabled=False):
            features = features if features.dtype == torch.float64 else features.float()
            classes, labels = self._classes(features.dtype, labels)
            weights, classes = label_weights(classes, labels)
            target = self._target(features, classes, labels, weights)
            logit = changed = target.logit
            change: LogitChange | None = None
            added: Tensor | float = 0.0
            added_derivative: Tensor | float = 0.0
            if self.training:
                changed = self.changed_target(target)
                change = self.change_of_other_logits(target)
                added, added_derivative = self.added_loss(features, classes, labels, target)
            n, highest_other = reduce_other_identities(
                self._scaled_features(features), classes, labels, change
            )
            margin = n - changed
            # logaddexp(0, ·) is softplus without the threshold that would cut off saturated samples
            loss = torch.logaddexp(torch.zeros_like(margin), margin) + added
            return HeadOutput(
                loss=loss,
                correct=(logit > highest_other).detach(),
                probability=torch.sigmoid(logit - n).detach(),
                gradient=(torch.sigmoid(margin) - added_derivative).abs().detach(),
            )

    def logits(self, features: Tensor) -> Tensor:
        """The logits of `features` (B × D) for all classes, as at test time: without noise or margin, (B, C).

        Raises:
            ValueError: the class weights are divided among several processes.
        """
        if self.shard is not None:
            raise ValueError("the class weights are divided among several processes")
        with torch.autocast(features.device.type, enabled=False):
            features = features if features.dtype == torch.float64 else features.float()
            weight = self.weight.to(features.dtype)
            if self.unit_weights:
                weight = weight * inverse_norm(weight.norm(dim=1))[:, None]
            bias = None if self.bias is None else self.bias.to(features.dtype)
            return nn.functional.linear(self._scaled_features(features), weight, bias)

    def _scaled_features(self, features: Tensor) -> Tensor:
        """The features as they are multiplied with the class weights."""
        return features

    def _length(self, feature_norm: Tensor, weight_norm: Tensor) -> Tensor:
        """The target logit, without its bias, at θ_y = 0."""
        return weight_norm * feature_norm

    def _classes(self, dtype: torch.dtype, labels: Tensor) -> tuple[Classes, Tensor]:
        """The classes that this step uses, and the rows of the `labels` among them."""
        bias = None if self.bias is None else self.bias.to(dtype)
        classes = Classes(self.weight.to(dtype), bias, self.unit_weights, self.shard, self.factors)
        return classes, labels

    def _target(
        self, features: Tensor, classes: Classes, labels: Tensor, weights: Tensor | None = None
    ) -> Target:
        """What the head may use under `labels`; `weights` are their W_y (B × D), gathered here if None."""
        weights = gather_rows(classes.weight, classes, labels) if weights is None else weights
        inner = (features * weights).sum(dim=1)
        feature_norm, weight_norm = features.norm(dim=1), weights.norm(dim=1)
        cosine = (inner * inverse_norm(feature_norm) * inverse_norm(weight_norm)).clamp(-1, 1)
        length = self._length(feature_norm, weight_norm)
        bias = torch.zeros_like(inner) if classes.bias is None else gather_rows(classes.bias, classes, labels)
        return Target(
            length * cosine if self.unit_weights else inner, bias, length, feature_norm, weight_norm, cosine
        )
