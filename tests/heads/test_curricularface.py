"""CurricularFace against the paper's formulas, logit by logit."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nsface.heads import ArcFace, CurricularFace
from tests.heads.oracle import batch, cosines, cross_entropy, few, ready, target_of


@few
@given(margin=st.floats(0, 1.5), begun=st.floats(0, 0.9), seed=st.integers(0, 99))
def test_loss(margin: float, begun: float, seed: int) -> None:
    features, labels = batch(5, 4, 6, scale=3, seed=seed)
    head = ready(CurricularFace(4, 5, scale=16, margin=margin), seed)
    head.mean_cosine.fill_(begun)
    found = head(features, labels)

    rows = cosines(features, head.weight).tolist()
    t = 0.99 * begun + 0.01 * sum(row[y] for row, y in zip(rows, labels.tolist(), strict=True)) / 6
    assert head.mean_cosine.item() == pytest.approx(t, abs=1e-12)
    for row, y, loss, p in zip(rows, labels.tolist(), found.loss, found.probability, strict=True):
        threshold = math.cos(math.acos(row[y]) + margin)
        changed = threshold if row[y] > math.cos(math.pi - margin) else row[y] - margin * math.sin(margin)
        others = [c * (t + c) if c > threshold else c for j, c in enumerate(row) if j != y]
        total = sum(math.exp(16 * c) for c in others)
        assert loss.item() == pytest.approx(math.log1p(total / math.exp(16 * changed)), rel=1e-6, abs=1e-9)
        assert p.item() == pytest.approx(math.exp(16 * row[y]) / (math.exp(16 * row[y]) + total), rel=1e-6)


def test_gradient() -> None:
    # t and the threshold carry none
    features, labels = batch(5, 4, 6)
    features.requires_grad_()
    head = ready(CurricularFace(4, 5, scale=16, margin=0.5))
    head.mean_cosine.fill_(0.3)
    ours = torch.autograd.grad(head(features, labels).loss.sum(), [features, head.weight])

    cosine = cosines(features, head.weight)
    own = target_of(cosine, labels)
    t, threshold = head.mean_cosine, (own.detach().arccos() + 0.5).cos()[:, None]
    others = torch.where(cosine.detach() > threshold, cosine * (t + cosine), cosine)
    loss = cross_entropy(16 * others, labels, 16 * (own.arccos() + 0.5).cos())
    assert (own.detach().arccos() + 0.5 < math.pi).all()
    theirs = torch.autograd.grad(loss.sum(), [features, head.weight])
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_easy_negatives_leave_arcface() -> None:
    # features at their own class weights: every other cosine is far below cos(θ_y + m)
    head, plain = CurricularFace(5, 5).double(), ArcFace(5, 5).double()
    for one in (head, plain):
        one.weight.data = torch.eye(5, dtype=torch.float64)
    features, labels = 2 * torch.eye(5, dtype=torch.float64) + 0.1, torch.arange(5)
    torch.testing.assert_close(head(features, labels).loss, plain(features, labels).loss)


def test_hard_negatives_count_more_as_t_grows() -> None:
    features, labels = batch(5, 4, 20, seed=3)
    losses: list[Tensor] = []
    for t in (0.0, 0.4, 0.8):
        head = ready(CurricularFace(4, 5, scale=8))
        head.mean_cosine.fill_(t)
        losses.append(head(features, labels).loss.mean())
    assert losses[0] < losses[1] < losses[2]


def test_t_is_kept_in_the_state_and_stays_in_eval_mode() -> None:
    features, labels = batch(5, 4, 6)
    head = ready(CurricularFace(4, 5))
    head(features, labels)
    t = head.state_dict()["mean_cosine"].clone()
    assert t != 0
    head.eval()(features, labels)
    assert torch.equal(head.mean_cosine, t)


@pytest.mark.parametrize("margin", [-0.1, 1.6])
def test_impossible_margin(margin: float) -> None:
    with pytest.raises(ValueError, match=r"margin must be in \[0, 1\.5708\]"):
        CurricularFace(4, 3, margin=margin)
