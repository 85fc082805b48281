"""L-Softmax against its formula by way of the angle."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nsface.heads import LSoftmax, Softmax
from tests.heads.oracle import assert_loss_is, batch, cosines, cross_entropy, few, ready, target_of, xi


@few
@given(
    margin=st.integers(1, 4),
    step=st.sampled_from([0, 100, 10_000]),
    lowest=st.floats(0, 5),
    annealing=st.floats(0.01, 10),
    seed=st.integers(0, 99),
)
def test_loss(margin: int, step: int, lowest: float, annealing: float, seed: int) -> None:
    features, labels = batch(5, 4, 6, scale=3, seed=seed)

    def expected(x: Tensor, weight: Tensor) -> Tensor:
        cosine = cosines(x, weight)
        own = target_of(cosine, labels)
        theta = own.arccos()
        k = (margin * theta / math.pi).floor().detach()
        psi = (-1) ** k * (margin * theta).cos() - 2 * k
        kept = max(lowest, 1000 / (1 + annealing * step))
        length = x.norm(dim=1) * weight[labels].norm(dim=1)
        return cross_entropy(x @ weight.T, labels, length * (kept * own + psi) / (1 + kept))

    head = ready(LSoftmax(4, 5, margin=margin, lowest_lambda=lowest, annealing=annealing), seed)
    head.advance(step, 20_000)
    assert_loss_is(head, features, labels, expected)


@few
@given(seed=st.integers(0, 99))
def test_margin_of_one_is_softmax(seed: int) -> None:
    features, labels = batch(5, 4, 6, scale=3, seed=seed)
    head, plain = ready(LSoftmax(4, 5, margin=1), seed), ready(Softmax(4, 5), seed)
    torch.testing.assert_close(head(features, labels).loss, plain(features, labels).loss)


def test_noise_comes_after_the_margin() -> None:
    features, labels = batch(5, 4, 6)
    noisy, clean = ready(LSoftmax(4, 5, alpha2=0.3), seed=2), ready(LSoftmax(4, 5), seed=2)
    classes, _ = noisy._classes(features.dtype, labels)
    at = noisy._target(features, classes, labels)
    length = features.norm(dim=1) * noisy.weight[labels].norm(dim=1)
    drawn = (
        math.sqrt(0.3) * length * (1 - target_of(cosines(features, noisy.weight), labels)) * xi(2, 6).abs()
    )
    torch.testing.assert_close(clean.changed_target(at) - noisy.changed_target(at), drawn)


@pytest.mark.parametrize("margin", [0, 5, -1])
def test_impossible_margin(margin: int) -> None:
    with pytest.raises(ValueError, match=r"margin must be in \[1, 4\]"):
        LSoftmax(4, 3, margin=margin)


def test_impossible_lambda() -> None:
    with pytest.raises(ValueError, match="lowest_lambda must be a number ≥ 0"):
        LSoftmax(4, 3, lowest_lambda=-1)
    with pytest.raises(ValueError, match="annealing must be a number > 0"):
        LSoftmax(4, 3, annealing=0)
