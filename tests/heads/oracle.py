"""Losses worked out another way: the whole matrix of logits in float64, and torch's cross entropy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from hypothesis import settings
from torch import Tensor
from torch.nn import functional

from nsface.heads import HEADS, Head

AnyHead = TypeVar("AnyHead", bound=Head)

few = settings(max_examples=20)  # examples for a property whose every example is a batch already


def batch(
    identities: int, size: int, samples: int, scale: float = 1.0, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Random features (float64) and labels."""
    generator = torch.Generator().manual_seed(seed)
    features = scale * torch.randn(samples, size, dtype=torch.float64, generator=generator)
    return features, torch.randint(identities, (samples,), generator=generator)


def ready(head: AnyHead, seed: int = 0) -> AnyHead:
    """`head` in float64, with weights of length about 1, as in the midst of a training."""
    head = head.double()
    torch.nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(seed + 1000))
    head.reseed(seed)
    return head


def built(name: str, embedding_size: int, identities: int, **arguments: Any) -> Any:
    """The head of that name with arguments of its own, which the type of `HEADS` does not know."""
    head: Any = HEADS[name]
    return head(embedding_size, identities, **arguments)


def cosines(features: Tensor, weight: Tensor) -> Tensor:
    return functional.cosine_similarity(features[:, None, :], weight[None, :, :], dim=2)


def target_of(matrix: Tensor, labels: Tensor) -> Tensor:
    return matrix[torch.arange(len(labels)), labels]


def cross_entropy(logits: Tensor, labels: Tensor, target: Tensor) -> Tensor:
    """Cross entropy with each target logit replaced."""
    replaced = logits.clone()
    replaced[torch.arange(len(labels)), labels] = target
    return functional.cross_entropy(replaced, labels, reduction="none")


def xi(seed: int, samples: int) -> Tensor:
    """What a head that was reseeded with `seed` draws from N(0, 1)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(samples, dtype=torch.float64, generator=generator)


def assert_loss_is(
    head: Head, features: Tensor, labels: Tensor, expected: Callable[[Tensor, Tensor], Tensor]
) -> None:
    """Loss of `head`, and its gradients, are those of `expected`(features, weight)."""
    features = features.clone().requires_grad_()
    ours = head(features, labels).loss
    theirs = expected(features, head.weight)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    mine = torch.autograd.grad(ours.sum(), [features, head.weight])
    other = torch.autograd.grad(theirs.sum(), [features, head.weight])
    for one, two in zip(mine, other, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-7, atol=1e-8)
