"""MagFace against the paper's formulas."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nsface.heads import ArcFace, MagFace
from tests.heads.oracle import assert_loss_is, batch, cosines, cross_entropy, few, ready, target_of


@few
@given(
    scale=st.sampled_from([1.0, 30.0, 200.0]),
    weight=st.floats(0, 40),
    easy=st.booleans(),
    seed=st.integers(0, 99),
)
def test_loss(scale: float, weight: float, easy: bool, seed: int) -> None:
    # norms below, between and above the bounds 10 and 110
    features, labels = batch(5, 4, 6, scale, seed)

    def expected(x: Tensor, w: Tensor) -> Tensor:
        norm = x.square().sum(dim=1).sqrt().clamp(10, 110)
        margin = (0.8 - 0.45) / (110 - 10) * (norm - 10) + 0.45
        cosine = cosines(x, w)
        own = target_of(cosine, labels)
        added = own * margin.cos() - (1 - own**2).sqrt() * margin.sin()
        changed = torch.where(own > (math.pi - margin).cos(), added, own - margin * margin.sin())
        if easy:
            changed = torch.where(own > 0, added, own)
        loss = cross_entropy(64 * cosine, labels, 64 * changed)
        return loss + weight * (1 / norm + norm / 110**2)

    head = ready(MagFace(4, 5, norm_weight=weight, easy_margin=easy), seed)
    assert_loss_is(head, features, labels, expected)


@pytest.mark.parametrize(("degrees", "margin"), [(30, True), (89, True), (91, False), (150, False)])
def test_easy_margin_is_none_beyond_a_right_angle(degrees: float, margin: bool) -> None:
    head = MagFace(2, 2, easy_margin=True, lower_margin=0.5, upper_margin=0.5, norm_weight=0).double()
    head.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    theta = math.radians(degrees)
    features = 50 * torch.tensor([[math.cos(theta), math.sin(theta)]], dtype=torch.float64)
    classes, labels = head._classes(features.dtype, torch.tensor([0]))
    changed = head.changed_cosine(head._target(features, classes, labels))
    assert changed.item() == pytest.approx(math.cos(theta + (0.5 if margin else 0)), abs=1e-12)


@few
@given(seed=st.integers(0, 99), margin=st.floats(0, 1))
def test_equal_margins_and_no_term_are_arcface(seed: int, margin: float) -> None:
    features, labels = batch(5, 4, 6, scale=40, seed=seed)
    head = ready(MagFace(4, 5, lower_margin=margin, upper_margin=margin, norm_weight=0), seed)
    plain = ready(ArcFace(4, 5, margin=margin), seed)
    torch.testing.assert_close(head(features, labels).loss, plain(features, labels).loss)


def test_the_term_has_its_minimum_at_the_upper_bound() -> None:
    # g(a) = 1/a + a/u² falls up to a = u, where it is 2/u
    head = MagFace(4, 5, norm_weight=1).double()
    norms = torch.tensor([10.0, 40.0, 80.0, 110.0, 150.0], dtype=torch.float64)
    features = torch.zeros(5, 4, dtype=torch.float64)
    features[:, 0] = norms
    labels = torch.arange(5)
    classes, _ = head._classes(features.dtype, labels)
    target = head._target(features, classes, labels)
    values, slope = head.added_loss(features, classes, labels, target)
    assert isinstance(values, Tensor)
    assert (values.diff() <= 0).all()
    assert values[-1].item() == values[-2].item() == pytest.approx(2 / 110)
    assert slope == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lower_margin": -0.1}, r"lower_margin must be in \[0, 1\.5708\]"),
        ({"upper_margin": 0.4}, r"upper_margin must be in \[0\.45, 1\.5708\]"),
        ({"lower_norm": 0}, "lower_norm must be a number > 0"),
        ({"upper_norm": 10}, "upper_norm must be a number > 10"),
        ({"norm_weight": -1}, "norm_weight must be a number ≥ 0"),
    ],
)
def test_impossible_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MagFace(4, 3, **arguments)
