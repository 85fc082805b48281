"""N in blocks of classes against N over all at once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nsface.heads import HEADS, other_identities
from nsface.heads.other_identities import Classes, classifier_form, reduce_blocked, reduce_plain
from tests.heads.oracle import batch, built, few, ready


@few
@given(
    identities=st.integers(2, 20),
    samples=st.integers(1, 6),
    block_size=st.integers(1, 25),
    scale=st.sampled_from([0.0, 1.0, 30.0]),
    bias=st.booleans(),
    unit=st.booleans(),
    seed=st.integers(0, 99),
)
def test_blocked_is_plain(
    identities: int, samples: int, block_size: int, scale: float, bias: bool, unit: bool, seed: int
) -> None:
    features, labels = batch(identities, 3, samples, scale, seed)
    weight, _ = batch(identities, 3, identities, 1, seed + 1)
    weight[0] = 0
    offsets = torch.linspace(-3, 5, identities, dtype=torch.float64) if bias else None
    inputs = [tensor.requires_grad_() for tensor in (features, weight, offsets) if tensor is not None]
    classes = Classes(weight, offsets, unit)
    gradient = torch.linspace(0.5, 2, samples, dtype=torch.float64)

    n, highest = reduce_plain(features, classes, labels)
    expected = torch.autograd.grad(n, inputs, gradient)
    n_blocked, highest_blocked = reduce_blocked(features, classes, labels, block_size=block_size)
    found = torch.autograd.grad(n_blocked, inputs, gradient)
    torch.testing.assert_close(n_blocked, n.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(highest_blocked, highest, rtol=1e-12, atol=1e-12)
    assert not highest_blocked.requires_grad
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_gradcheck_of_blocked() -> None:
    features, labels = batch(7, 3, 4)
    weight, _ = batch(7, 3, 7, seed=1)
    offsets = torch.linspace(-1, 1, 7, dtype=torch.float64)

    def n(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return reduce_blocked(x, Classes(w, b, unit=True), labels, block_size=3)[0]

    assert torch.autograd.gradcheck(n, [t.requires_grad_() for t in (features, weight, offsets)])


@pytest.mark.parametrize("name", HEADS)
def test_every_head_is_the_same_in_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = batch(identities=11, size=4, samples=6, scale=3)
    features.requires_grad_()
    head = ready(HEADS[name](4, 11))
    state = {key: value.clone() for key, value in head.state_dict().items()}

    def step() -> list[Tensor]:
        head.load_state_dict(state)
        head.reseed(2)
        head.advance(700, 1000)
        output = head(features, labels)
        gradients = torch.autograd.grad(output.loss.sum(), [features, head.weight])
        return [output.loss.detach(), output.probability, output.gradient, *gradients]

    assert head.classifier_form(6) == "plain"
    whole = step()
    monkeypatch.setattr(other_identities, "PLAIN_LIMIT", 6 * 11 - 1)
    monkeypatch.setattr(other_identities, "BLOCK", {"cpu": 6 * 4})
    assert head.classifier_form(6) == "blocked"
    for one, other in zip(step(), whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11)


def test_blocked_in_float32_is_as_accurate_as_plain() -> None:
    exact, labels = batch(3000, 16, 8, scale=2)
    weight, _ = batch(3000, 16, 3000, seed=1)
    truth = reduce_plain(exact, Classes(weight, None, unit=False), labels)[0]
    classes = Classes(weight.float(), None, unit=False)
    for block_size in (7, 100, 3000):
        n = reduce_blocked(exact.float(), classes, labels, block_size=block_size)[0]
        torch.testing.assert_close(n.double(), truth, rtol=1e-6, atol=1e-6)


def test_backward_under_autocast_is_in_float32() -> None:
    features, labels = batch(40, 8, 6)
    features = features.float().requires_grad_()
    weight = batch(40, 8, 40, seed=1)[0].float().requires_grad_()
    n = reduce_blocked(features, Classes(weight, None, unit=False), labels, block_size=16)[0].sum()
    expected = torch.autograd.grad(n, [features, weight], retain_graph=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = torch.autograd.grad(n, [features, weight])
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation gives."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor) and not tensor.is_sparse:
                self.elements = max(self.elements, tensor.numel())
        return result


@pytest.mark.parametrize("name", ["softmax", "noisy-softmax", "arcface", "curricularface"])
def test_no_matrix_of_logits_is_ever_made(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    samples, identities = 64, 5000
    head = HEADS[name](4, identities)
    features, labels = torch.randn(samples, 4, requires_grad=True), torch.randint(identities, (samples,))

    def largest() -> int:
        mode: Largest
        with Largest() as mode:  # type: ignore[no-untyped-call]
            head(features, labels).loss.mean().backward()
        return mode.elements

    assert largest() == samples * identities
    monkeypatch.setattr(other_identities, "PLAIN_LIMIT", 0)
    monkeypatch.setattr(other_identities, "BLOCK", {"cpu": samples * 100})
    assert largest() == identities * 4  # the gradient by the class weights


class Made(torch.utils._python_dispatch.TorchDispatchMode):
    """Counts the new tensors of a shape: those that share no storage with what they were made from."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.shape, self.count = shape, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.shape == self.shape:
            given = {x.data_ptr() for x in args if isinstance(x, Tensor)}
            self.count += result.data_ptr() not in given
        return result


@pytest.mark.parametrize("factors", [None, torch.bfloat16])
@pytest.mark.parametrize("name", ["softmax", "noisy-softmax", "arcface", "curricularface"])
def test_there_is_one_gradient_by_the_class_weights_and_no_copy_of_them(
    name: str, factors: torch.dtype | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_identities, "PLAIN_LIMIT", 0)
    monkeypatch.setattr(other_identities, "BLOCK", {"cpu": 6 * 100})
    head = HEADS[name](4, 5000)
    head.factors = factors
    with Made((5000, 4)) as mode:
        head(torch.randn(6, 4), torch.tensor([1, 1, 2, 3, 4, 4999])).loss.mean().backward()
    assert mode.count == 1


def test_form_goes_by_size() -> None:
    assert classifier_form(512, other_identities.PLAIN_LIMIT // 512) == "plain"
    assert classifier_form(512, other_identities.PLAIN_LIMIT // 512 + 1) == "blocked"
    assert HEADS["arcface"](2, 100_000).classifier_form(512) == "blocked"
    assert built("arcface", 2, 100_000, sample_rate=0.1).classifier_form(512) == "plain"
