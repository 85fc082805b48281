"""The loss softplus(N − f') against cross entropy, and what holds for every head."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from nsface.heads import HEADS, Head, NoisySoftmax, Softmax


def batch(
    identities: int, size: int, samples: int, scale: float = 1.0, seed: int = 0
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = scale * torch.randn(samples, size, dtype=torch.float64, generator=generator)
    return features, torch.randint(identities, (samples,), generator=generator)


@given(
    identities=st.integers(2, 9),
    size=st.integers(1, 6),
    samples=st.integers(1, 7),
    scale=st.floats(0, 40),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_softmax_is_cross_entropy(
    identities: int, size: int, samples: int, scale: float, bias: bool, seed: int
) -> None:
    features, labels = batch(identities, size, samples, scale, seed)
    features.requires_grad_()
    head = Softmax(size, identities, bias=bias).double()
    if head.bias is not None:
        torch.nn.init.normal_(head.bias)
    output = head(features, labels)
    logits = features @ head.weight.T + (0 if head.bias is None else head.bias)
    expected = functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(output.loss, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(output.probability, logits.softmax(1).gather(1, labels[:, None])[:, 0])
    torch.testing.assert_close(output.gradient, 1 - output.probability)
    best_other = logits.scatter(1, labels[:, None], -math.inf).amax(1)
    assert output.correct.tolist() == (logits.gather(1, labels[:, None])[:, 0] > best_other).tolist()

    ours = torch.autograd.grad(output.loss.sum(), [features, *head.parameters()])
    theirs = torch.autograd.grad(expected.sum(), [features, *head.parameters()])
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)


def test_saturated_samples_keep_their_gradient_in_float32() -> None:
    # cross entropy in float32 rounds 1 − p to 0 from a margin of about 17 on; here the margin is 50
    features = torch.tensor([[50.0, 0.0]], requires_grad=True)
    head = Softmax(2, 2)
    head.weight.data = torch.eye(2)
    output = head(features, torch.tensor([0]))
    output.loss.sum().backward()
    assert features.grad is not None
    assert features.grad[0, 0].item() == pytest.approx(-math.exp(-50), rel=1e-5)
    assert output.loss.item() == pytest.approx(math.exp(-50), rel=1e-5)


@pytest.mark.parametrize("name", HEADS)
def test_gradcheck(name: str) -> None:
    features, labels = batch(identities=5, size=4, samples=6)
    head = HEADS[name](4, 5, bias=True).double()

    def loss(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        head.reseed(1)
        output = torch.func.functional_call(head, {"weight": weight, "bias": bias}, (x, labels))
        return output.loss  # type: ignore[no-any-return]

    inputs = [features, head.weight.detach().clone(), torch.randn(5, dtype=torch.float64)]
    assert torch.autograd.gradcheck(loss, [tensor.requires_grad_() for tensor in inputs])


@pytest.mark.parametrize("name", HEADS)
def test_zero_norms_are_harmless(name: str) -> None:
    head = HEADS[name](3, 4)
    head.weight.data[1] = 0
    features = torch.randn(4, 3)
    features[0] = 0
    features.requires_grad_()
    head(features, torch.tensor([0, 1, 2, 3])).loss.sum().backward()
    assert features.grad is not None
    assert head.weight.grad is not None
    assert torch.isfinite(features.grad).all()
    assert torch.isfinite(head.weight.grad).all()


@pytest.mark.parametrize("name", HEADS)
def test_head_computes_in_float32_under_autocast(name: str) -> None:
    head = HEADS[name](16, 8)
    features, labels = torch.randn(4, 16), torch.tensor([0, 1, 2, 3])
    head.reseed(3)
    plain = head(features, labels).loss
    head.reseed(3)
    with torch.autocast("cpu", torch.bfloat16):
        cast = head(features, labels).loss
        assert head(features.bfloat16(), labels).loss.dtype == torch.float32
    assert torch.equal(plain, cast)


@pytest.mark.parametrize("name", HEADS)
def test_eval_mode_is_softmax(name: str) -> None:
    features, labels = batch(identities=5, size=4, samples=6)
    head = HEADS[name](4, 5).double().eval()
    expected = functional.cross_entropy(features @ head.weight.T, labels, reduction="none")
    torch.testing.assert_close(head(features, labels).loss, expected)


@pytest.mark.parametrize("name", HEADS)
def test_reseeding_fixes_the_step_whatever_was_drawn_before(name: str) -> None:
    features, labels = batch(identities=5, size=4, samples=6)

    def run(head: Head, drawn_before: int) -> Tensor:
        torch.randn(drawn_before)
        head(features, labels)
        head.reseed(11)
        return head(features, labels).loss.detach()

    head = HEADS[name](4, 5).double()
    assert torch.equal(run(head, 0), run(head, 17))
    state = torch.random.get_rng_state()
    head(features, labels)
    assert torch.equal(state, torch.random.get_rng_state()), (
        "a head with a seed must not touch torch's generator"
    )


@pytest.mark.parametrize(("size", "identities"), [(0, 4), (4, 1), (4, 0)])
def test_impossible_sizes(size: int, identities: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        Softmax(size, identities)


def test_others_are_bit_identical_with_noise() -> None:
    features, labels = batch(identities=6, size=4, samples=5)
    plain, noisy = Softmax(4, 6).double(), NoisySoftmax(4, 6, alpha2=1).double()
    noisy.weight.data.copy_(plain.weight)
    for mine, other in zip(plain._others(features, labels), noisy._others(features, labels), strict=True):
        assert torch.equal(mine, other)
