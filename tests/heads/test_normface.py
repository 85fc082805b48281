"""NormFace against cosines worked out pair by pair."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from nsface.heads import NormFace
from tests.heads.oracle import assert_loss_is, batch, cosines, few, ready


@few
@given(scale=st.floats(0.5, 64), seed=st.integers(0, 99))
def test_loss_is_softmax_over_scaled_cosines(scale: float, seed: int) -> None:
    features, labels = batch(5, 4, 6, scale=3, seed=seed)

    def expected(x: Tensor, weight: Tensor) -> Tensor:
        return functional.cross_entropy(scale * cosines(x, weight), labels, reduction="none")

    assert_loss_is(ready(NormFace(4, 5, scale=scale), seed), features, labels, expected)


def test_learned_scale_begins_at_the_given_one_and_has_its_gradient() -> None:
    features, labels = batch(5, 4, 6)
    fixed, learned = ready(NormFace(4, 5, scale=20)), ready(NormFace(4, 5, scale=20, learn_scale=True))
    loss = learned(features, labels).loss
    torch.testing.assert_close(loss, fixed(features, labels).loss, rtol=1e-6, atol=1e-6)

    assert learned.log_scale is not None
    (gradient,) = torch.autograd.grad(loss.sum(), learned.log_scale)
    log_scale = torch.tensor(math.log(20), dtype=torch.float64, requires_grad=True)
    expected = functional.cross_entropy(log_scale.exp() * cosines(features, learned.weight), labels)
    (other,) = torch.autograd.grad(6 * expected, log_scale)
    torch.testing.assert_close(gradient, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scale", [0, -1, math.nan])
def test_impossible_scale(scale: float) -> None:
    with pytest.raises(ValueError, match="scale must be a number > 0"):
        NormFace(4, 3, scale=scale)
