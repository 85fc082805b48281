"""The combined margin: all three at once, and the heads that it contains."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from nsface.heads import ArcFace, CombinedMargin, CosFace, Head, NormFace, SphereFace
from tests.heads.oracle import assert_loss_is, batch, cosines, cross_entropy, few, ready, target_of


@few
@given(m1=st.floats(0.5, 4), m2=st.floats(0, 1.5), m3=st.floats(0, 1), seed=st.integers(0, 99))
def test_loss(m1: float, m2: float, m3: float, seed: int) -> None:
    features, labels = batch(5, 4, 6, scale=3, seed=seed)

    def expected(x: Tensor, weight: Tensor) -> Tensor:
        cosine = cosines(x, weight)
        phi = m1 * target_of(cosine, labels).arccos() + m2
        pieces = [
            torch.where((phi >= k * math.pi) & (phi < (k + 1) * math.pi), (-1) ** k * phi.cos() - 2 * k, 0.0)
            for k in range(5)
        ]
        return cross_entropy(30 * cosine, labels, 30 * (torch.stack(pieces).sum(dim=0) - m3))

    head = ready(CombinedMargin(4, 5, scale=30, m1=m1, m2=m2, m3=m3), seed)
    assert_loss_is(head, features, labels, expected)


@few
@given(seed=st.integers(0, 99), m=st.floats(0, 1))
def test_heads_that_it_contains(seed: int, m: float) -> None:
    features, labels = batch(5, 4, 6, seed=seed)

    def loss(head: Head) -> Tensor:
        return torch.as_tensor(ready(head, seed)(features, labels).loss)

    torch.testing.assert_close(
        loss(CombinedMargin(4, 5, scale=30, m1=1.0, m2=0.0, m3=0.0)), loss(NormFace(4, 5, scale=30))
    )
    torch.testing.assert_close(
        loss(CombinedMargin(4, 5, m1=1.0, m2=0.0, m3=m)), loss(CosFace(4, 5, margin=m))
    )
    head = CombinedMargin(4, 5, m1=1.0, m2=m, m3=0.0)
    theta = target_of(cosines(features, ready(head, seed).weight), labels).arccos()
    assume((theta + m < math.pi).all())
    torch.testing.assert_close(loss(head), loss(ArcFace(4, 5, margin=m)))


def test_m1_alone_is_the_angle_of_sphereface() -> None:
    features, labels = batch(5, 4, 6)
    features = 20 * features / features.norm(dim=1, keepdim=True)  # ‖x‖ takes the place of s
    sphere = ready(SphereFace(4, 5, margin=3, lowest_lambda=0))
    sphere.advance(10**12, 10**12)
    combined = ready(CombinedMargin(4, 5, scale=20, m1=3.0, m2=0.0, m3=0.0))
    torch.testing.assert_close(combined(features, labels).loss, sphere(features, labels).loss)


def test_each_margin_counts_beside_the_others() -> None:
    features, labels = batch(5, 4, 6)

    def loss(m1: float, m2: float, m3: float) -> Tensor:
        head = ready(CombinedMargin(4, 5, scale=10, m1=m1, m2=m2, m3=m3))
        return head(features, labels).loss  # type: ignore[no-any-return]

    base = loss(1.2, 0.3, 0.2)
    for more in (loss(1.3, 0.3, 0.2), loss(1.2, 0.4, 0.2), loss(1.2, 0.3, 0.3)):
        assert (more > base).all()


def test_target_falls_with_the_angle_without_a_jump() -> None:
    theta = torch.linspace(0, math.pi, 20_001, dtype=torch.float64)
    x = torch.stack([theta.cos(), theta.sin()], dim=1)
    for m1, m2 in ((1.0, 1.5), (0.9, 0.4), (2.5, 0.7), (4.0, 1.57)):
        head = CombinedMargin(2, 2, scale=1, m1=m1, m2=m2, m3=0.1).double()
        head.weight.data = torch.eye(2, dtype=torch.float64)
        labels = torch.zeros(len(x), dtype=torch.long)
        classes, _ = head._classes(x.dtype, labels)
        steps = head.changed_target(head._target(x, classes, labels)).diff()
        assert (steps < 1e-9).all()
        assert steps.abs().max() < 1.01 * m1 * math.pi / 20_000 + 1e-7


@pytest.mark.parametrize(
    ("argument", "value", "range_"),
    [
        ("m1", 0.4, r"\[0\.5, 4\]"),
        ("m1", 5, r"\[0\.5, 4\]"),
        ("m2", -0.1, r"\[0, 1\.5708\]"),
        ("m3", 1.1, r"\[0, 1\]"),
    ],
)
def test_impossible_margins(argument: str, value: float, range_: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} must be in {range_}"):
        CombinedMargin(4, 3, **{argument: value})
