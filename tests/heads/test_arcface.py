"""ArcFace against the paper's formula, by way of the angle in numpy's double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nsface.heads import ArcFace, NormFace
from nsface.heads.arcface import with_angular_margin
from tests.heads.oracle import assert_loss_is, batch, cosines, cross_entropy, few, ready, target_of


@few
@given(margin=st.floats(0, 1.5), scale=st.floats(1, 64), seed=st.integers(0, 99))
def test_loss(margin: float, scale: float, seed: int) -> None:
    features, labels = batch(5, 4, 6, scale=3, seed=seed)

    def expected(x: Tensor, weight: Tensor) -> Tensor:
        cosine = cosines(x, weight)
        own = target_of(cosine, labels)
        # cos(θ + m) = cos θ cos m − sin θ sin m
        added = own * math.cos(margin) - (1 - own**2).sqrt() * math.sin(margin)
        past = own <= math.cos(math.pi - margin)
        changed = torch.where(past, own - margin * math.sin(math.pi - margin), added)
        return cross_entropy(scale * cosine, labels, scale * changed)

    head = ready(ArcFace(4, 5, scale=scale, margin=margin), seed)
    assert_loss_is(head, features, labels, expected)


@few
@given(degrees=st.floats(0, 180), margin=st.floats(0, 1.5))
def test_target_by_hand(degrees: float, margin: float) -> None:
    theta = np.deg2rad(degrees)
    if abs(theta + margin - np.pi) < 1e-6:
        return  # the jump itself
    found = with_angular_margin(
        torch.tensor([np.cos(theta)], dtype=torch.float64), torch.tensor([margin], dtype=torch.float64)
    )
    expected = np.cos(theta + margin) if theta + margin < np.pi else np.cos(theta) - margin * np.sin(margin)
    assert found.item() == pytest.approx(expected, abs=1e-7)


def test_target_falls_with_the_angle() -> None:
    theta = torch.linspace(0, math.pi, 10_000, dtype=torch.float64)
    for margin in (0.0, 0.3, 0.5, 1.0, 1.5):
        changed = with_angular_margin(theta.cos(), torch.full_like(theta, margin))
        assert (changed.diff() < 1e-12).all()
        assert (changed <= theta.cos() + 1e-7).all()


@few
@given(seed=st.integers(0, 99))
def test_no_margin_is_normface(seed: int) -> None:
    features, labels = batch(5, 4, 6, seed=seed)
    head, plain = ready(ArcFace(4, 5, scale=30, margin=0), seed), ready(NormFace(4, 5, scale=30), seed)
    torch.testing.assert_close(head(features, labels).loss, plain(features, labels).loss)


@pytest.mark.parametrize("margin", [-0.1, 1.6, 28.6])
def test_impossible_margin(margin: float) -> None:
    with pytest.raises(ValueError, match=r"margin must be in \[0, 1\.5708\]"):
        ArcFace(4, 3, margin=margin)
