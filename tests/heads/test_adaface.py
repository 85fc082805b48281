"""AdaFace against the paper's formulas."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nsface.heads import AdaFace, NormFace
from tests.heads.oracle import batch, cosines, cross_entropy, few, ready, target_of


@few
@given(margin=st.floats(0, 1), h=st.floats(0.1, 50), seed=st.integers(0, 99))
def test_loss(margin: float, h: float, seed: int) -> None:
    features, labels = batch(5, 4, 6, scale=12, seed=seed)

    def expected(x: Tensor, weight: Tensor) -> Tensor:
        norms = [min(max(math.dist(row, [0] * 4), 0.001), 100) for row in x.tolist()]
        mean = sum(norms) / 6
        std = math.sqrt(sum((norm - mean) ** 2 for norm in norms) / 5)
        mu, sigma = 0.99 * 20 + 0.01 * mean, 0.99 * 100 + 0.01 * std
        z = torch.tensor([max(-1, min(1, h * (n - mu) / (sigma + 1e-3))) for n in norms])
        cosine = cosines(x, weight)
        theta = (target_of(cosine, labels).arccos() - margin * z).clamp(0, math.pi)
        return cross_entropy(64 * cosine, labels, 64 * (theta.cos() - (margin + margin * z)))

    head = ready(AdaFace(4, 5, margin=margin, h=h), seed)
    features, labels = features.requires_grad_(), labels
    torch.testing.assert_close(
        head(features, labels).loss, expected(features, head.weight), rtol=1e-6, atol=1e-6
    )
    head.load_state_dict(ready(AdaFace(4, 5), seed).state_dict())
    ours = torch.autograd.grad(head(features, labels).loss.sum(), [features, head.weight])
    theirs = torch.autograd.grad(expected(features, head.weight).sum(), [features, head.weight])
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


def test_running_mean_and_deviation_of_the_norms() -> None:
    head = ready(AdaFace(4, 5))
    mu, sigma = 20.0, 100.0
    for seed in range(5):
        features, labels = batch(5, 4, 6, scale=9, seed=seed)
        head(features, labels)
        norms = features.norm(dim=1)
        mu, sigma = 0.99 * mu + 0.01 * norms.mean().item(), 0.99 * sigma + 0.01 * norms.std().item()
    assert head.norm_mean.item() == pytest.approx(mu, rel=1e-6)
    assert head.norm_std.item() == pytest.approx(sigma, rel=1e-6)
    assert {"norm_mean", "norm_std"} <= set(head.state_dict())
    head.eval()(features, labels)
    assert head.norm_mean.item() == pytest.approx(mu, rel=1e-6)


def test_good_images_have_the_larger_margin_at_small_angles() -> None:
    # at θ = 0.6 a norm far above the mean means z = 1: cos(θ − m) − 2m; far below, z = −1: cos(θ + m)
    head = AdaFace(2, 2, scale=1, margin=0.4, h=1000).double()
    head.weight.data = torch.eye(2, dtype=torch.float64)
    direction = torch.tensor([math.cos(0.6), math.sin(0.6)], dtype=torch.float64)
    features, labels = torch.stack([90 * direction, direction]), torch.tensor([0, 0])
    classes, _ = head._classes(features.dtype, labels)
    changed = head.changed_target(head._target(features, classes, labels))
    assert changed.tolist() == pytest.approx([math.cos(0.6 - 0.4) - 0.8, math.cos(0.6 + 0.4)], abs=1e-6)


@few
@given(seed=st.integers(0, 99))
def test_no_margin_is_normface(seed: int) -> None:
    features, labels = batch(5, 4, 6, seed=seed)
    head, plain = ready(AdaFace(4, 5, scale=30, margin=0), seed), ready(NormFace(4, 5, scale=30), seed)
    torch.testing.assert_close(head(features, labels).loss, plain(features, labels).loss)


def test_a_batch_of_one_image() -> None:
    features, labels = batch(5, 4, 1)
    head = ready(AdaFace(4, 5))
    assert torch.isfinite(head(features, labels).loss).all()
    assert head.norm_std.item() == pytest.approx(99)


@pytest.mark.parametrize(("argument", "value"), [("margin", -0.1), ("margin", 1.1), ("h", 0), ("h", -1)])
def test_impossible_arguments(argument: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{argument} must be"):
        AdaFace(4, 3, **{argument: value})
