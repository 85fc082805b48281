"""Noisy Softmax against the paper's formulas."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from nsface.heads import NoisySoftmax, Softmax, Target


def target(features: torch.Tensor, weights: torch.Tensor, bias: float = 0.0) -> Target:
    inner = (features * weights).sum(1)
    norms = features.norm(dim=1), weights.norm(dim=1)
    return Target(inner, torch.full_like(inner, bias), *norms, inner / (norms[0] * norms[1]))


def angles(*degrees: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of norm 3 at the given angles to weights of norm 2."""
    theta = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    features = 3 * torch.stack([theta.cos(), theta.sin()], dim=1)
    return features, torch.tensor([[2.0, 0.0]], dtype=torch.float64).expand(len(degrees), 2)


def test_noise_by_hand() -> None:
    # ‖W‖‖x‖ = 6: the noise is 6 α |ξ| (1 − cos θ), none at 0°, twice ‖W‖‖x‖ at 180°
    features, weights = angles(0, 60, 90, 180)
    head = NoisySoftmax(2, 2, alpha2=0.25)
    head._noise = torch.ones_like  # type: ignore[method-assign]  # |ξ| = 1
    changed = head.changed_target(target(features, weights, bias=0.7))
    expected = [6 + 0.7, 3 - 0.5 * 6 * 0.5 + 0.7, 0 - 0.5 * 6 + 0.7, -6 - 0.5 * 6 * 2 + 0.7]
    assert changed.tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("alpha2", [0.05, 0.1, 0.5, 1.0])
def test_law_of_the_noise(alpha2: float) -> None:
    # at 90° and ‖W‖‖x‖ = 1 the noise is α|ξ|: mean α√(2/π), variance α²(1 − 2/π)
    draws = 1_000_000
    features = torch.tensor([[0.0, 1.0]], dtype=torch.float64).expand(draws, 2)
    weights = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(draws, 2)
    head = NoisySoftmax(2, 2, alpha2=alpha2)
    head.reseed(5)
    noise = -head.changed_target(target(features, weights))
    alpha = math.sqrt(alpha2)
    variance = alpha2 * (1 - 2 / math.pi)
    assert noise.min() >= 0
    assert noise.mean().item() == pytest.approx(
        alpha * math.sqrt(2 / math.pi), abs=4 * math.sqrt(variance / draws)
    )
    assert noise.var().item() == pytest.approx(variance, rel=0.01)


def test_gradient_of_the_target_in_closed_form() -> None:
    # ∂f'/∂x = (1 + a) W_y − a ‖W_y‖/‖x‖ x,  ∂f'/∂W_y = (1 + a) x − a ‖x‖/‖W_y‖ W_y,  a = α|ξ|
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(20, 7, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(2))
    head = NoisySoftmax(7, 2, alpha2=0.3)
    head.reseed(8)
    changed = head.changed_target(target(x, w))
    grad_x, grad_w = torch.autograd.grad(changed.sum(), [x, w])
    head.reseed(8)
    a = (math.sqrt(0.3) * head._noise(x[:, 0]))[:, None]
    x_norm, w_norm = x.norm(dim=1, keepdim=True), w.norm(dim=1, keepdim=True)
    torch.testing.assert_close(grad_x, (1 + a) * w - a * w_norm / x_norm * x)
    torch.testing.assert_close(grad_w, (1 + a) * x - a * x_norm / w_norm * w)


@given(seed=st.integers(0, 999), bias=st.booleans())
def test_loss_is_cross_entropy_with_the_target_logit_replaced(seed: int, bias: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = 3 * torch.randn(6, 5, dtype=torch.float64, generator=generator)
    labels = torch.randint(4, (6,), generator=generator)
    head = NoisySoftmax(5, 4, alpha2=0.5, bias=bias).double()
    if head.bias is not None:
        torch.nn.init.normal_(head.bias)
    head.reseed(seed)
    loss = head(features, labels).loss

    head.reseed(seed)
    xi = head._noise(features[:, 0])
    logits = features @ head.weight.T
    cosine = functional.cosine_similarity(features, head.weight[labels])
    length = features.norm(dim=1) * head.weight[labels].norm(dim=1)
    rows = torch.arange(6)
    logits[rows, labels] -= math.sqrt(0.5) * length * (1 - cosine) * xi
    if head.bias is not None:
        logits = logits + head.bias
    torch.testing.assert_close(loss, functional.cross_entropy(logits, labels, reduction="none"))


def test_no_noise_is_softmax() -> None:
    features, labels = torch.randn(6, 5), torch.tensor([0, 1, 2, 3, 0, 1])
    noisy, plain = NoisySoftmax(5, 4, alpha2=0.0), Softmax(5, 4)
    plain.weight.data.copy_(noisy.weight)
    assert torch.equal(noisy(features, labels).loss, plain(features, labels).loss)


def test_noise_per_batch_is_one_draw_and_per_sample_one_each() -> None:
    features, weights = angles(*[90.0] * 50)
    for kind, distinct in (("batch", 1), ("sample", 50)):
        head = NoisySoftmax(2, 2, alpha2=1, noise_per=kind)  # type: ignore[arg-type]
        head.reseed(0)
        assert len(head.changed_target(target(features, weights)).unique()) == distinct


def test_noise_can_only_lower_the_probability_that_the_loss_sees() -> None:
    features, labels = torch.randn(200, 5), torch.randint(4, (200,))
    head = NoisySoftmax(5, 4, alpha2=1)
    output = head(features, labels)
    assert (output.gradient >= 1 - output.probability - 1e-6).all()
    assert (output.gradient > 1 - output.probability + 1e-3).any()


@pytest.mark.parametrize("alpha2", [-1, -1e-9, math.nan, math.inf])
def test_impossible_variance(alpha2: float) -> None:
    with pytest.raises(ValueError, match="alpha2"):
        NoisySoftmax(4, 3, alpha2=alpha2)


def test_unknown_unit_of_noise() -> None:
    with pytest.raises(ValueError, match="noise_per"):
        NoisySoftmax(4, 3, noise_per="epoch")  # type: ignore[arg-type]
