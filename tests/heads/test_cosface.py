"""CosFace against the paper's formula."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nsface.heads import CosFace, NormFace
from tests.heads.oracle import assert_loss_is, batch, cosines, cross_entropy, few, ready, target_of


@few
@given(margin=st.floats(0, 1), scale=st.floats(1, 64), seed=st.integers(0, 99))
def test_loss(margin: float, scale: float, seed: int) -> None:
    features, labels = batch(5, 4, 6, scale=3, seed=seed)

    def expected(x: Tensor, weight: Tensor) -> Tensor:
        cosine = cosines(x, weight)
        return cross_entropy(scale * cosine, labels, scale * (target_of(cosine, labels) - margin))

    head = ready(CosFace(4, 5, scale=scale, margin=margin), seed)
    assert_loss_is(head, features, labels, expected)


@few
@given(seed=st.integers(0, 99))
def test_no_margin_is_normface(seed: int) -> None:
    features, labels = batch(5, 4, 6, seed=seed)
    head, plain = ready(CosFace(4, 5, scale=30, margin=0), seed), ready(NormFace(4, 5, scale=30), seed)
    assert torch.equal(head(features, labels).loss, plain(features, labels).loss)


@pytest.mark.parametrize("margin", [-0.1, 1.1])
def test_impossible_margin(margin: float) -> None:
    with pytest.raises(ValueError, match=r"margin must be in \[0, 1\]"):
        CosFace(4, 3, margin=margin)
