"""Label smoothing against torch's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from nsface.heads import LabelSmoothing, Softmax
from tests.heads.oracle import assert_loss_is, batch, few, ready


@few
@given(epsilon=st.floats(0, 1), seed=st.integers(0, 99))
def test_loss_is_that_of_torch(epsilon: float, seed: int) -> None:
    features, labels = batch(5, 4, 6, scale=3, seed=seed)

    def expected(x: Tensor, weight: Tensor) -> Tensor:
        return functional.cross_entropy(x @ weight.T, labels, reduction="none", label_smoothing=epsilon)

    assert_loss_is(ready(LabelSmoothing(4, 5, epsilon=epsilon), seed), features, labels, expected)


def test_bias_and_gradient_by_the_target_logit() -> None:
    features, _ = batch(4, 3, 4, scale=2)
    labels = torch.arange(4)
    head = ready(LabelSmoothing(3, 4, epsilon=0.3, bias=True))
    assert head.bias is not None
    torch.nn.init.normal_(head.bias)
    output = head(features, labels)
    logits = features @ head.weight.T + head.bias
    expected = functional.cross_entropy(logits, labels, reduction="none", label_smoothing=0.3)
    torch.testing.assert_close(output.loss, expected)
    (by_logit,) = torch.autograd.grad(expected.sum(), logits)
    torch.testing.assert_close(output.gradient, by_logit.diagonal().abs())
    torch.testing.assert_close(output.probability, logits.softmax(dim=1).diagonal())


@few
@given(seed=st.integers(0, 99), bias=st.booleans())
def test_no_smoothing_is_softmax(seed: int, bias: bool) -> None:
    features, labels = batch(5, 4, 6, scale=5, seed=seed)
    head, plain = LabelSmoothing(4, 5, epsilon=0, bias=bias), Softmax(4, 5, bias=bias)
    plain.load_state_dict(head.state_dict())
    torch.testing.assert_close(head(features, labels).loss, plain(features, labels).loss, rtol=0, atol=0)


@pytest.mark.parametrize("epsilon", [-0.1, 1.1])
def test_impossible_epsilon(epsilon: float) -> None:
    with pytest.raises(ValueError, match=r"epsilon must be in \[0, 1\]"):
        LabelSmoothing(4, 3, epsilon=epsilon)
