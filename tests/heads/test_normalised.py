"""What the heads over cosines share: noise after the margin, sampled classes, the angle."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from nsface.heads import HEADS, CosFace, Head, NormalisedHead, NormFace
from nsface.heads.normalised import angle
from tests.heads.oracle import batch, built, cosines, cross_entropy, few, ready, target_of, xi

NORMALISED = [name for name, head in HEADS.items() if issubclass(head, NormalisedHead)]


def test_the_list_is_complete() -> None:
    assert set(NORMALISED) == {
        *("sphereface", "normface", "cosface", "arcface", "combined-margin"),
        *("adaface", "curricularface", "magface"),
    }


@pytest.mark.parametrize("name", NORMALISED)
def test_noise_comes_after_the_margin(name: str) -> None:
    # the same step with and without noise: f' differs by α s (1 − cos θ_y)|ξ|, nothing else does
    features, labels = batch(5, 4, 6, scale=3)
    noisy, clean = ready(built(name, 4, 5, alpha2=0.3), seed=2), ready(built(name, 4, 5), seed=2)
    classes, _ = noisy._classes(features.dtype, labels)
    at = noisy._target(features, classes, labels)
    scale = features.norm(dim=1) if name == "sphereface" else clean.scale
    drawn = math.sqrt(0.3) * scale * (1 - target_of(cosines(features, noisy.weight), labels)) * xi(2, 6).abs()
    torch.testing.assert_close(clean.changed_target(at) - noisy.changed_target(at), drawn)


@pytest.mark.parametrize("name", NORMALISED)
@few
@given(length=st.floats(0.01, 100))
def test_length_of_class_weights_is_nothing(name: str, length: float) -> None:
    features, labels = batch(5, 4, 6)
    head, longer = ready(HEADS[name](4, 5)), ready(HEADS[name](4, 5))
    longer.weight.data *= length
    torch.testing.assert_close(head(features, labels).loss, longer(features, labels).loss)


@few
@given(rate=st.floats(0.05, 1), seed=st.integers(0, 30))
def test_sampled_classes_are_a_smaller_problem(rate: float, seed: int) -> None:
    identities = 40
    features, labels = batch(identities, 4, 6, seed=seed)
    head = ready(CosFace(4, identities, sample_rate=rate), seed)
    seen = kept_classes(head, features, labels)
    own = labels.unique()
    assert len(seen) == max(math.ceil(rate * identities), len(own), 2)
    assert set(own.tolist()) <= set(seen.tolist())

    head.reseed(seed)
    loss = head(features, labels).loss
    logits = 64 * cosines(features, head.weight[seen])
    within = torch.searchsorted(seen, labels)
    expected = cross_entropy(logits, within, target_of(logits, within) - 64 * 0.35)
    torch.testing.assert_close(loss, expected)
    gradient = torch.autograd.grad(loss.sum(), head.weight)[0]
    left_out = torch.ones(identities, dtype=torch.bool).index_fill(0, seen, False)
    assert (gradient[left_out] == 0).all()


@pytest.mark.parametrize("name", NORMALISED)
def test_sampled_classes_are_a_head_of_those_alone(name: str) -> None:
    features, labels = batch(40, 4, 6, scale=3)
    sampled = ready(built(name, 4, 40, sample_rate=0.3))
    seen = kept_classes(sampled, features, labels)
    alone = ready(HEADS[name](4, len(seen)))
    alone.weight.data = sampled.weight.data[seen]
    sampled.reseed(0)
    found, expected = sampled(features, labels), alone(features, torch.searchsorted(seen, labels))
    torch.testing.assert_close(found.loss, expected.loss)
    torch.testing.assert_close(found.gradient, expected.gradient)
    gradients = [
        torch.autograd.grad(o.loss.sum(), h.weight)[0] for o, h in ((found, sampled), (expected, alone))
    ]
    torch.testing.assert_close(gradients[0][seen], gradients[1])


def kept_classes(head: Head, features: Tensor, labels: Tensor) -> Tensor:
    """Which classes a step is about: the rows of the weights that it takes."""
    head.weight.data, weight = head.weight.data.clone(), head.weight.data
    head.weight.data[:, 0] = torch.arange(len(weight))
    classes, _ = head._classes(features.dtype, labels)
    seen = classes.weight[:, 0].long()
    head.weight.data = weight
    return seen


def test_every_class_is_sampled_alike_and_by_the_seed() -> None:
    head = ready(NormFace(2, 20, sample_rate=0.25))
    features, labels = torch.zeros(2, 2), torch.tensor([3, 3])
    counts = torch.zeros(20)
    for seed in range(2000):
        head.reseed(seed)
        counts[kept_classes(head, features, labels)] += 1
    assert counts[3] == 2000
    # each of the 19 others with probability 4/19
    share, error = 4 / 19, math.sqrt(4 / 19 * 15 / 19 / 2000)
    others = torch.cat([counts[:3], counts[4:]]) / 2000
    assert (others - share).abs().max() < 4.5 * error
    head.reseed(7)
    first = kept_classes(head, features, labels)
    head.reseed(7)
    assert torch.equal(first, kept_classes(head, features, labels))


@pytest.mark.parametrize("name", NORMALISED)
def test_all_classes_when_evaluated_and_at_rate_one(name: str) -> None:
    features, labels = batch(30, 4, 6)
    sampled, whole = ready(built(name, 4, 30, sample_rate=0.2)), ready(HEADS[name](4, 30))
    assert not torch.equal(sampled(features, labels).loss, whole(features, labels).loss)
    sampled.eval()
    whole.eval()
    assert torch.equal(sampled(features, labels).loss, whole(features, labels).loss)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_angle(dtype: torch.dtype) -> None:
    cosine = torch.tensor([-1, -0.5, 0, 0.5, 1], dtype=dtype, requires_grad=True)
    theta = angle(cosine)
    (slope,) = torch.autograd.grad(theta.sum(), cosine)
    expected = torch.tensor([180, 120, 90, 60, 0], dtype=dtype).deg2rad()
    torch.testing.assert_close(theta.detach(), expected, rtol=0, atol=6e-4)
    assert slope[0] == slope[4] == 0
    torch.testing.assert_close(slope[1:4], -1 / (1 - cosine.detach()[1:4] ** 2).sqrt())


@pytest.mark.parametrize("name", NORMALISED)
@pytest.mark.parametrize(
    ("argument", "value", "range_"),
    [("alpha2", -0.1, "≥ 0"), ("sample_rate", 0, r"\(0, 1\]"), ("sample_rate", 1.01, r"\(0, 1\]")],
)
def test_impossible_arguments(name: str, argument: str, value: float, range_: str) -> None:
    with pytest.raises(ValueError, match=rf"{argument}.* must be .*{range_}, not"):
        built(name, 4, 3, **{argument: value})


@pytest.mark.parametrize("name", [name for name in NORMALISED if name != "sphereface"])
@pytest.mark.parametrize("scale", [0, -64, math.inf])
def test_impossible_scale(name: str, scale: float) -> None:
    with pytest.raises(ValueError, match="scale must be a number > 0, not"):
        built(name, 4, 3, scale=scale)


def test_weights_begin_with_a_direction() -> None:
    head = NormFace(512, 1000)
    assert head.weight.norm(dim=1).min() > 0.1
    cosine = functional.normalize(head.weight[:500]) @ functional.normalize(head.weight[500:]).T
    assert cosine.abs().max() < 0.35
