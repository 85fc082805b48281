"""Noisy Softmax against the paper's formulas."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nsface.heads import NoisySoftmax, Softmax, Target
from nsface.heads.other_identities import reduce_other_identities
from tests.heads.oracle import assert_loss_is, batch, cosines, cross_entropy, few, ready, target_of, xi

DRAWS = 1_000_000


def target(features: Tensor, weights: Tensor, bias: float = 0.0) -> Target:
    inner = (features * weights).sum(1)
    norms = features.norm(dim=1), weights.norm(dim=1)
    length = norms[0] * norms[1]
    return Target(inner, torch.full_like(inner, bias), length, *norms, inner / length)


def angles(*degrees: float) -> tuple[Tensor, Tensor]:
    """Features of norm 3 at the given angles to weights of norm 2."""
    theta = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    features = 3 * torch.stack([theta.cos(), theta.sin()], dim=1)
    return features, torch.tensor([[2.0, 0.0]], dtype=torch.float64).expand(len(degrees), 2)


def test_noise_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # ‖W‖‖x‖ = 6: the noise is 6 α |ξ| (1 − cos θ), none at 0°, twice ‖W‖‖x‖ at 180°
    monkeypatch.setattr(torch, "randn", lambda count, **_: -torch.ones(count, dtype=torch.float64))
    features, weights = angles(0, 60, 90, 180)
    changed = NoisySoftmax(2, 2, alpha2=0.25).changed_target(target(features, weights, bias=0.7))
    expected = [6 + 0.7, 3 - 0.5 * 6 * 0.5 + 0.7, 0 - 0.5 * 6 + 0.7, -6 - 0.5 * 6 * 2 + 0.7]
    assert changed.tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("alpha2", [0.05, 0.1, 0.5, 1.0])
@pytest.mark.parametrize(("variant", "magnitude"), [("annealed", 3.0), ("amplitude", 6.0), ("free", 1.0)])
def test_distribution_of_the_noise(alpha2: float, variant: Any, magnitude: float) -> None:
    # at 60° and ‖W‖‖x‖ = 6 the noise is magnitude · α|ξ|: mean α√(2/π), variance α²(1 − 2/π), times magnitude
    features, weights = angles(60)
    at = target(features.expand(DRAWS, 2), weights.expand(DRAWS, 2))
    head = NoisySoftmax(2, 2, alpha2=alpha2, variant=variant)
    head.reseed(5)
    noise = (at.logit - head.changed_target(at)) / magnitude
    alpha, variance = math.sqrt(alpha2), alpha2 * (1 - 2 / math.pi)
    assert noise.min() >= 0
    assert noise.mean().item() == pytest.approx(
        alpha * math.sqrt(2 / math.pi), abs=4 * math.sqrt(variance / DRAWS)
    )
    # kurtosis of the half-normal law is 3.87: the variance has a relative standard error of √(2.87/n)
    assert noise.var().item() == pytest.approx(variance, rel=4 * math.sqrt(2.87 / DRAWS))


@pytest.mark.parametrize("variant", ["annealed", "amplitude", "free"])
def test_law_of_signed_noise(variant: Any) -> None:
    features, weights = angles(60)
    at = target(features.expand(DRAWS, 2), weights.expand(DRAWS, 2))
    head = NoisySoftmax(2, 2, alpha2=0.1, variant=variant, noise="normal")
    head.reseed(6)
    magnitude = {"annealed": 3, "amplitude": 6, "free": 1}[variant]
    noise = (at.logit - head.changed_target(at)) / magnitude
    assert noise.mean().item() == pytest.approx(0, abs=4 * math.sqrt(0.1 / DRAWS))
    assert noise.var().item() == pytest.approx(0.1, rel=4 * math.sqrt(2 / DRAWS))


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [("constant", [1, 1, 1, 1]), ("linear", [1, 0.75, 0.5, 0]), ("cosine", [1, 0.853553, 0.5, 0])],
)
@pytest.mark.parametrize("miu", [0, 0.4])
def test_schedule_of_alpha(schedule: Any, shares: list[float], miu: float) -> None:
    # μ stays as it is while α falls
    head = NoisySoftmax(2, 2, alpha2=0.25, alpha_schedule=schedule, miu=miu)
    at = target(*angles(90))
    lowered = []
    for step in (0, 25, 50, 100):
        head.reseed(4)
        head.advance(step, 100)
        lowered.append((-head.changed_target(at).item() - 6 * miu) / (0.5 * 6 * abs(xi(4, 1).item())))
    assert lowered == pytest.approx(shares, abs=1e-6)


def test_gradient_of_the_target_in_closed_form() -> None:
    # ∂f'/∂x = (1 + a) W_y − a ‖W_y‖/‖x‖ x,  ∂f'/∂W_y = (1 + a) x − a ‖x‖/‖W_y‖ W_y,  a = α|ξ|
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(20, 7, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(2))
    head = NoisySoftmax(7, 2, alpha2=0.3)
    head.reseed(8)
    changed = head.changed_target(target(x, w))
    grad_x, grad_w = torch.autograd.grad(changed.sum(), [x, w])
    a = (math.sqrt(0.3) * xi(8, 20).abs())[:, None]
    x_norm, w_norm = x.norm(dim=1, keepdim=True), w.norm(dim=1, keepdim=True)
    torch.testing.assert_close(grad_x, (1 + a) * w - a * w_norm / x_norm * x)
    torch.testing.assert_close(grad_w, (1 + a) * x - a * x_norm / w_norm * w)


@few
@given(
    seed=st.integers(0, 999),
    bias=st.booleans(),
    variant=st.sampled_from(["annealed", "amplitude", "free"]),
    noise=st.sampled_from(["half-normal", "normal"]),
)
def test_loss_is_cross_entropy_with_the_target_logit_replaced(
    seed: int, bias: bool, variant: Any, noise: Any
) -> None:
    features, labels = batch(identities=4, size=5, samples=6, scale=3, seed=seed)
    head = ready(NoisySoftmax(5, 4, alpha2=0.5, variant=variant, noise=noise, bias=bias), seed)
    offsets = torch.zeros(4, dtype=torch.float64)
    if head.bias is not None:
        torch.nn.init.normal_(head.bias)
        offsets = head.bias.detach()

    def expected(x: Tensor, weight: Tensor) -> Tensor:
        length = x.norm(dim=1) * weight[labels].norm(dim=1)
        cosine = target_of(cosines(x, weight), labels)
        magnitude = {"annealed": length * (1 - cosine), "amplitude": length, "free": 1}[variant]
        draws = xi(seed, 6).abs() if noise == "half-normal" else xi(seed, 6)
        changed = length * cosine - math.sqrt(0.5) * magnitude * draws + offsets[labels]
        return cross_entropy(x @ weight.T + offsets, labels, changed)

    assert_loss_is(head, features, labels, expected)


@few
@given(
    seed=st.integers(0, 99),
    variant=st.sampled_from(["annealed", "amplitude", "free"]),
    noise=st.sampled_from(["half-normal", "normal"]),
    per=st.sampled_from(["sample", "batch"]),
)
def test_no_noise_is_softmax(seed: int, variant: Any, noise: Any, per: Any) -> None:
    features, labels = batch(4, 5, 6, scale=3, seed=seed)
    noisy = NoisySoftmax(5, 4, alpha2=0.0, variant=variant, noise=noise, noise_per=per)
    plain = Softmax(5, 4)
    plain.weight.data.copy_(noisy.weight)
    assert torch.equal(noisy(features, labels).loss, plain(features, labels).loss)


@pytest.mark.parametrize("variant", ["annealed", "amplitude", "free"])
def test_other_identities_keep_their_bits_with_noise(variant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # `reduce_other_identities` is given the same tensors as by softmax, and its results have the same bits
    features, labels = batch(identities=6, size=4, samples=5)
    seen = []

    def noted(*arguments: Any) -> tuple[Tensor, Tensor]:
        seen.append(reduce_other_identities(*arguments))
        return seen[-1]

    monkeypatch.setattr("nsface.heads.base.reduce_other_identities", noted)
    plain, noisy = Softmax(4, 6).double(), NoisySoftmax(4, 6, alpha2=1, variant=variant).double()
    noisy.weight.data.copy_(plain.weight)
    losses = [head(features, labels).loss for head in (plain, noisy)]
    assert not torch.equal(*losses)
    for mine, other in zip(*seen, strict=True):
        assert torch.equal(mine, other)


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
    with pytest.raises(ValueError, match=r"alpha2 .* ≥ 0, not"):
        NoisySoftmax(4, 3, alpha2=alpha2)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("noise_per", "epoch"),
        ("variant", "angular"),
        ("noise", "uniform"),
        ("alpha_schedule", "step"),
        ("lamda", -0.1),
        ("lamda", 1.1),
        ("lamda", math.nan),
        ("miu", -0.1),
        ("miu", math.inf),
    ],
)
def test_impossible_arguments(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=argument):
        NoisySoftmax(4, 3, **{argument: value})
