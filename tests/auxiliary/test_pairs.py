"""Contrastive and triplet loss against all pairs and triplets of a batch, one after another."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nsface.auxiliary import AUXILIARY, Auxiliary, Contrastive, Triplet

labellings = st.lists(st.integers(0, 4), min_size=1, max_size=12)


def features_of(labels: list[int], seed: int, size: int = 3) -> Tensor:
    return torch.randn(len(labels), size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def distance(one: list[float], other: list[float]) -> float:
    lengths = math.hypot(*one), math.hypot(*other)
    return math.dist([v / lengths[0] for v in one], [v / lengths[1] for v in other])


def contrastive(features: Tensor, labels: list[int], margin: float) -> float:
    terms: dict[bool, list[float]] = {True: [], False: []}
    rows = features.tolist()
    for i, j in combinations(range(len(labels)), 2):
        d, same = distance(rows[i], rows[j]), labels[i] == labels[j]
        terms[same].append(0.5 * (d**2 if same else max(0.0, margin - d) ** 2))
    return sum(sum(kind) / len(kind) for kind in terms.values() if kind)


def triplet(features: Tensor, labels: list[int], margin: float) -> float:
    hardest = []
    rows = features.tolist()
    for a, anchor in enumerate(labels):
        losses = [
            max(0.0, distance(rows[a], rows[p]) ** 2 - distance(rows[a], rows[n]) ** 2 + margin)
            for p, positive in enumerate(labels)
            for n, negative in enumerate(labels)
            if p != a and positive == anchor and negative != anchor
        ]
        if losses:
            hardest.append(max(losses))
    return sum(hardest) / len(hardest) if hardest else 0.0


@given(labellings, st.integers(0, 1000), st.floats(0.05, 2))
def test_contrastive_is_the_mean_over_all_pairs_of_a_kind(
    labels: list[int], seed: int, margin: float
) -> None:
    features = features_of(labels, seed)
    found = Contrastive(3, 5, margin=margin)(features, torch.tensor(labels))
    assert found.item() == pytest.approx(contrastive(features, labels, margin), rel=1e-9, abs=1e-12)


@given(labellings, st.integers(0, 1000), st.floats(0.05, 4))
def test_triplet_is_the_mean_over_anchors_of_the_hardest(labels: list[int], seed: int, margin: float) -> None:
    features = features_of(labels, seed)
    found = Triplet(3, 5, margin=margin)(features, torch.tensor(labels))
    assert found.item() == pytest.approx(triplet(features, labels, margin), rel=1e-9, abs=1e-12)


PAIRED = [Contrastive(3, 5), Triplet(3, 5, margin=1.0)]


@pytest.mark.parametrize("loss", PAIRED)
def test_gradient(loss: Auxiliary) -> None:
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 2])
    features = features_of(labels.tolist(), 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), features)


@pytest.mark.parametrize("loss", PAIRED)
def test_length_of_features_does_not_matter_and_order_neither(loss: Auxiliary) -> None:
    labels = torch.tensor([0, 0, 1, 1, 2])
    features = features_of(labels.tolist(), 5)
    expected = loss(features, labels)
    scales = torch.tensor([[0.1], [7.0], [1.0], [30.0], [2.0]], dtype=torch.float64)
    torch.testing.assert_close(loss(features * scales, labels), expected)
    mixed = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(loss(features[mixed], labels[mixed]), expected)


@pytest.mark.parametrize("loss", PAIRED)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_zero_and_coinciding_features_give_finite_gradients(loss: Auxiliary, value: float) -> None:
    features = torch.full((6, 3), value, requires_grad=True)
    loss(features, torch.tensor([0, 0, 1, 1, 2, 2])).backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("loss", PAIRED)
def test_a_feature_without_direction_has_no_gradient(loss: Auxiliary) -> None:
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    features[2] = 0
    features.requires_grad_()
    loss(features, torch.tensor([0, 0, 1, 1, 2, 2])).backward()
    assert features.grad is not None
    assert features.grad[2].norm() == 0
    assert 0 < features.grad.norm() < 100


@pytest.mark.parametrize("loss", PAIRED)
def test_identities_apart_by_more_than_the_margin_cost_nothing(loss: Auxiliary) -> None:
    axes = torch.eye(3, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    assert loss(torch.cat([axes, 2 * axes]), labels).item() == pytest.approx(0, abs=1e-9)
    assert loss(torch.cat([axes, axes.roll(1, 0)]), labels) > 0.9


@pytest.mark.parametrize("loss", PAIRED)
def test_half_precision_features_give_a_float32_loss(loss: Auxiliary) -> None:
    labels = torch.tensor([0, 0, 1, 1, 2])
    features = features_of(labels.tolist(), 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = loss(features.bfloat16(), labels)
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(loss(features, labels).item(), abs=0.02)


@pytest.mark.parametrize(
    ("kind", "margin", "message"),
    [
        (Contrastive, 0.0, r"margin must be in \(0, 2\], not 0.0"),
        (Contrastive, 2.1, r"margin must be in \(0, 2\], not 2.1"),
        (Triplet, -0.2, r"margin must be in \(0, 4\], not -0.2"),
        (Triplet, float("nan"), r"margin must be in \(0, 4\], not nan"),
    ],
)
def test_wrong_margins(kind: type[Contrastive] | type[Triplet], margin: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(3, 5, margin=margin)


def test_registry_says_which_need_pairs() -> None:
    assert {name: loss.needs_pairs for name, loss in AUXILIARY.items()} == {
        "center": False,
        "contrastive": True,
        "triplet": True,
    }
