"""Softmax with gradient decay against the paper's quotient."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nsface.heads import GradientDecay, Softmax
from tests.heads.oracle import assert_loss_is, batch, cosines, few, ready, target_of, xi


@few
@given(beta=st.floats(1e-3, 20), seed=st.integers(0, 99))
def test_loss_is_the_quotient_of_the_paper(beta: float, seed: int) -> None:
    features, labels = batch(5, 4, 6, seed=seed)

    def expected(x: Tensor, weight: Tensor) -> Tensor:
        powers = (x @ weight.T).exp()
        own = target_of(powers, labels)
        return -(own / (powers.sum(dim=1) - own + beta * own)).log()

    assert_loss_is(ready(GradientDecay(4, 5, beta=beta), seed), features, labels, expected)


@few
@given(seed=st.integers(0, 99), bias=st.booleans())
def test_beta_of_one_is_softmax(seed: int, bias: bool) -> None:
    features, labels = batch(5, 4, 6, scale=5, seed=seed)
    head, plain = GradientDecay(4, 5, beta=1, bias=bias), Softmax(4, 5, bias=bias)
    plain.load_state_dict(head.state_dict())
    assert torch.equal(head(features, labels).loss, plain(features, labels).loss)


@pytest.mark.parametrize("beta", [0.01, 0.5, 3.0])
def test_gradient_decays_as_stated(beta: float) -> None:
    # |∂J/∂z_y| = (1 − p)/(1 + (β − 1)p), here by autograd through the bias
    features, labels = batch(4, 3, 4, scale=3)
    labels = torch.arange(4)
    head = ready(GradientDecay(3, 4, beta=beta, bias=True))
    assert head.bias is not None
    output = head(features, labels)
    by_bias = torch.stack(
        [torch.autograd.grad(loss, head.bias, retain_graph=True)[0][i] for i, loss in enumerate(output.loss)]
    )
    p = output.probability
    torch.testing.assert_close(-by_bias, (1 - p) / (1 + (beta - 1) * p))
    torch.testing.assert_close(output.gradient, -by_bias)
    assert (output.loss >= math.log(beta)).all()


@pytest.mark.parametrize(
    ("shape", "betas"),
    [("linear", [0.01, 0.2575, 0.505, 1.0, 1.0]), ("geometric", [0.01, 10**-1.5, 0.1, 1.0, 1.0])],
)
def test_warmup(shape: Any, betas: list[float]) -> None:
    head = GradientDecay(3, 4, beta=1.0, warmup=0.4, warmup_from=0.01, warmup_shape=shape)
    found = []
    for step in (0, 10, 20, 40, 90):
        head.advance(step, 100)
        found.append(head.current_beta())
    assert found == pytest.approx(betas)


def test_noise_comes_after_the_margin() -> None:
    features, labels = batch(5, 4, 6)
    head = ready(GradientDecay(4, 5, beta=0.2, alpha2=0.5), seed=3)

    def expected(x: Tensor, weight: Tensor) -> Tensor:
        logits = x @ weight.T
        length = x.norm(dim=1) * weight[labels].norm(dim=1)
        annealed = length * (1 - target_of(cosines(x, weight), labels))
        changed = target_of(logits, labels) + math.log(0.2) - math.sqrt(0.5) * annealed * xi(3, 6).abs()
        powers = logits.exp()
        others = powers.sum(dim=1) - target_of(powers, labels)
        loss: Tensor = -(changed.exp() / (changed.exp() + others)).log() + math.log(0.2)
        return loss

    assert_loss_is(head, features, labels, expected)


@pytest.mark.parametrize(
    ("argument", "value", "range_"),
    [
        ("beta", 0, "> 0"),
        ("beta", -1, "> 0"),
        ("beta", math.nan, "> 0"),
        ("warmup", 1.5, r"\[0, 1\]"),
        ("warmup_from", 0, "> 0"),
        ("warmup_shape", "step", "'linear', 'geometric'"),
    ],
)
def test_impossible_arguments(argument: str, value: Any, range_: str) -> None:
    with pytest.raises(ValueError, match=rf"{argument} must be .*{range_}"):
        GradientDecay(4, 3, **{argument: value})
