"""DisturbLabel: the law of the labels, and the loss under them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from nsface.heads import DisturbLabel, LabelSmoothing, Softmax
from tests.heads.oracle import assert_loss_is, batch, few, ready


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0])
def test_law_of_the_labels(alpha: float) -> None:
    draws, identities = 1_000_000, 5
    head = DisturbLabel(2, identities, alpha=alpha)
    head.reseed(3)
    counts = head.disturbed(torch.full((draws,), 2)).bincount(minlength=identities) / draws
    expected = [alpha / identities] * identities
    expected[2] = 1 - alpha * (identities - 1) / identities
    for found, share in zip(counts.tolist(), expected, strict=True):
        assert found == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / draws))


@few
@given(seed=st.integers(0, 99), alpha=st.floats(0, 1), scale=st.sampled_from([1.0, 10.0]))
def test_loss_is_cross_entropy_under_the_disturbed_labels(seed: int, alpha: float, scale: float) -> None:
    features, labels = batch(5, 4, 6, scale, seed)
    head = DisturbLabel(4, 5, alpha=alpha)
    head.reseed(seed)
    disturbed = head.disturbed(labels)

    def expected(x: Tensor, weight: Tensor) -> Tensor:
        return functional.cross_entropy(x @ weight.T, disturbed, reduction="none")

    assert_loss_is(ready(head, seed), features, labels, expected)


def test_metrics_are_those_of_the_true_label() -> None:
    features, labels = batch(5, 4, 400, scale=2)
    head = ready(DisturbLabel(4, 5, alpha=0.5))
    output = head(features, labels)
    head.reseed(0)
    disturbed = head.disturbed(labels)
    assert (disturbed != labels).any()
    logits = (features @ head.weight.T).detach().requires_grad_()
    own = torch.arange(400), labels
    torch.testing.assert_close(output.probability, logits.softmax(dim=1)[own].detach())
    assert output.correct.tolist() == (logits.argmax(dim=1) == labels).tolist()
    (by_logit,) = torch.autograd.grad(functional.cross_entropy(logits, disturbed, reduction="sum"), logits)
    torch.testing.assert_close(output.gradient, by_logit[own].abs())


def test_saturated_samples_keep_their_gradient_in_float32() -> None:
    head = DisturbLabel(2, 2, alpha=0)
    head.weight.data = torch.eye(2)
    loss = head(torch.tensor([[50.0, 0.0]]), torch.tensor([0])).loss
    assert loss.item() == pytest.approx(math.exp(-50), rel=1e-5)


@few
@given(seed=st.integers(0, 99), bias=st.booleans())
def test_no_disturbance_is_softmax(seed: int, bias: bool) -> None:
    features, labels = batch(5, 4, 6, scale=5, seed=seed)
    head, plain = DisturbLabel(4, 5, alpha=0, bias=bias), Softmax(4, 5, bias=bias)
    plain.load_state_dict(head.state_dict())
    assert torch.equal(head(features, labels).loss, plain(features, labels).loss)


def test_its_mean_is_label_smoothing() -> None:
    features, labels = batch(5, 4, 1, scale=1)
    head = ready(DisturbLabel(4, 5, alpha=0.4))
    smooth = ready(LabelSmoothing(4, 5, epsilon=0.4))
    draws = 100_000
    losses = head(features.expand(draws, 4), labels.expand(draws)).loss
    error = losses.std().item() / math.sqrt(draws)
    assert losses.mean().item() == pytest.approx(smooth(features, labels).loss.item(), abs=4 * error)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, math.nan])
def test_impossible_alpha(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"alpha must be in \[0, 1\]"):
        DisturbLabel(4, 3, alpha=alpha)
