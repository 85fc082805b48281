"""The margin heads against those of pytorch-metric-learning (margins in degrees there)."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_metric_learning import losses

from nsface.heads import ArcFace, CosFace, Head, NormFace, SphereFace
from tests.heads.oracle import batch, few, ready

pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")


def assert_same(head: Head, theirs: Any, seed: int) -> None:
    features, labels = batch(6, 5, 8, scale=2, seed=seed)
    features.requires_grad_()
    theirs.W.data = head.weight.detach().T.clone()
    ours, other = head(features, labels).loss.mean(), theirs(features, labels)
    torch.testing.assert_close(ours, other, rtol=1e-6, atol=1e-6)
    (mine,) = torch.autograd.grad(ours, features)
    (its,) = torch.autograd.grad(other, features)
    torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-7)


@few
@given(margin=st.floats(0, 1.5), scale=st.floats(1, 64), seed=st.integers(0, 30))
def test_arcface(margin: float, scale: float, seed: int) -> None:
    theirs = losses.ArcFaceLoss(6, 5, margin=math.degrees(margin), scale=scale)
    assert_same(ready(ArcFace(5, 6, margin=margin, scale=scale), seed), theirs, seed)


@few
@given(margin=st.floats(0, 1), scale=st.floats(1, 64), seed=st.integers(0, 30))
def test_cosface(margin: float, scale: float, seed: int) -> None:
    theirs = losses.CosFaceLoss(6, 5, margin=margin, scale=scale)
    assert_same(ready(CosFace(5, 6, margin=margin, scale=scale), seed), theirs, seed)


@pytest.mark.parametrize("margin", [1, 2, 3, 4])
@few
@given(seed=st.integers(0, 30))
def test_sphereface_once_lambda_is_0(margin: int, seed: int) -> None:
    head = ready(SphereFace(5, 6, margin=margin, lowest_lambda=0), seed)
    head.advance(10**13, 10**13)
    assert_same(head, losses.SphereFaceLoss(6, 5, margin=margin, scale=1), seed)


@few
@given(scale=st.floats(1, 64), seed=st.integers(0, 30))
def test_normface(scale: float, seed: int) -> None:
    theirs = losses.NormalizedSoftmaxLoss(6, 5, temperature=1 / scale)
    assert_same(ready(NormFace(5, 6, scale=scale), seed), theirs, seed)
