"""The loss softplus(N − f') against cross entropy, and what holds for every head."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from nsface.heads import HEADS, AdaFace, CurricularFace, Head, Softmax
from tests.heads.oracle import batch, ready


def made(name: str, size: int, identities: int, **wanted: Any) -> Head:
    """The head with those of the `wanted` arguments that it takes."""
    own = inspect.signature(HEADS[name]).parameters
    return HEADS[name](size, identities, **{key: value for key, value in wanted.items() if key in own})


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


def held(head: Head, features: Tensor, labels: Tensor) -> None:
    """Hold what carries no gradient by design: running means, AdaFace's z, CurricularFace's threshold."""
    if isinstance(head, AdaFace):
        quality = head._quality(features.norm(dim=1))
        head._quality = lambda norm: quality  # type: ignore[method-assign]
    if isinstance(head, CurricularFace):
        classes, labels = head._classes(features.dtype, labels)
        change = head.change_of_other_logits(head._target(features, classes, labels))
        head.change_of_other_logits = lambda target: change  # type: ignore[method-assign]


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("step", [0, 40_000])
@pytest.mark.parametrize("alpha2", [0, 0.3])
def test_gradcheck(name: str, step: int, alpha2: float) -> None:
    features, labels = batch(identities=5, size=4, samples=6, scale=3)
    head = ready(made(name, 4, 5, bias=True, alpha2=alpha2))
    held(head, features, labels)

    def loss(x: Tensor, *parameters: Tensor) -> Tensor:
        head.reseed(1)
        head.advance(step, 50_000)
        named = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(head, named, (x, labels)).loss  # type: ignore[no-any-return]

    names = [key for key, _ in head.named_parameters()]
    inputs = [features, *(parameter.detach().clone() for parameter in head.parameters())]
    assert torch.autograd.gradcheck(loss, [tensor.requires_grad_() for tensor in inputs])


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("alpha2", [0, 0.3])
def test_zero_norms_are_harmless(name: str, alpha2: float) -> None:
    head = made(name, 3, 4, alpha2=alpha2)
    head.weight.data[1] = 0
    features = torch.randn(4, 3)
    features[0] = 0
    features.requires_grad_()
    output = head(features, torch.tensor([0, 1, 2, 3]))
    output.loss.sum().backward()
    assert torch.isfinite(output.loss).all()
    for tensor in (features, head.weight):
        assert tensor.grad is not None
        assert torch.isfinite(tensor.grad).all()
        assert tensor.grad.abs().max() < 1e6, "a vanished norm must not blow the gradient up"


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0])
@pytest.mark.parametrize("alpha2", [0, 0.3])
def test_finite(name: str, dtype: torch.dtype, scale: float, alpha2: float) -> None:
    # among the features are the weights themselves, and their opposites: angles of 0 and π
    head = made(name, 8, 6, alpha2=alpha2)
    directions = head.weight.detach()
    features = scale * torch.cat([directions, -directions, torch.randn(6, 8)])
    features = features.to(dtype).requires_grad_()
    head.advance(5000, 6000)
    output = head(features, torch.arange(6).repeat(3))
    output.loss.mean().backward()
    assert output.loss.dtype == torch.float32
    for tensor in (output.loss, output.probability, output.gradient, features.grad, head.weight.grad):
        assert tensor is not None
        assert torch.isfinite(tensor).all()


@pytest.mark.parametrize("name", HEADS)
def test_head_computes_in_float32_under_autocast(name: str) -> None:
    head = HEADS[name](16, 8)
    features, labels = torch.randn(4, 16), torch.tensor([0, 1, 2, 3])
    state = {key: value.clone() for key, value in head.state_dict().items()}

    def loss(x: Tensor) -> Tensor:
        head.load_state_dict(state)
        head.reseed(3)
        return head(x, labels).loss  # type: ignore[no-any-return]

    plain = loss(features)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(plain, loss(features))
        assert loss(features.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("name", HEADS)
def test_eval_mode_is_softmax_over_the_clean_logits(name: str) -> None:
    features, labels = batch(identities=5, size=4, samples=6)
    head = ready(HEADS[name](4, 5)).eval()
    weight = head.weight.detach()
    if head.unit_weights:
        weight = functional.normalize(weight)
        scale = getattr(head, "scale", None)
        features = features if scale is None else scale * functional.normalize(features)
    expected = functional.cross_entropy(features @ weight.T, labels, reduction="none")
    output = head(features, labels)
    torch.testing.assert_close(output.loss, expected)
    torch.testing.assert_close(output.probability, (-expected).exp())
    torch.testing.assert_close(output.gradient, 1 - (-expected).exp())
    assert output.correct.tolist() == ((features @ weight.T).argmax(1) == labels).tolist()


@pytest.mark.parametrize("name", HEADS)
def test_gradient_is_that_by_the_changed_target_logit(name: str) -> None:
    # HeadOutput.gradient against autograd, through a shift of f' by 0
    features, labels = batch(identities=5, size=4, samples=6, scale=3)
    head = ready(HEADS[name](4, 5))
    shift = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    changed, added = head.changed_target, head.added_loss

    def shifted(target: Any) -> Tensor:
        # a head that adds to the loss adds by the target logit, so that it must move too
        return changed(target) + shift

    def shifted_added(x: Tensor, classes: Any, y: Tensor, target: Any) -> Any:
        value, slope = added(x, classes, y, target)
        return value + torch.as_tensor(slope) * shift, slope

    head.changed_target, head.added_loss = shifted, shifted_added  # type: ignore[assignment, method-assign]
    output = head(features, labels)
    (expected,) = torch.autograd.grad(output.loss.sum(), shift)
    torch.testing.assert_close(output.gradient, expected.abs())


@pytest.mark.parametrize("name", HEADS)
def test_reseeding_fixes_the_step_whatever_was_drawn_before(name: str) -> None:
    features, labels = batch(identities=5, size=4, samples=6)

    def run(drawn_before: int) -> Tensor:
        head.load_state_dict(state)
        torch.randn(drawn_before)
        head(features, labels)
        head.load_state_dict(state)
        head.reseed(11)
        return head(features, labels).loss.detach()  # type: ignore[no-any-return]

    head = HEADS[name](4, 5).double()
    state = {key: value.clone() for key, value in head.state_dict().items()}
    assert torch.equal(run(0), run(17))
    random = torch.random.get_rng_state()
    head(features, labels)
    assert torch.equal(random, torch.random.get_rng_state()), (
        "a head with a seed must not touch torch's generator"
    )


@pytest.mark.parametrize("name", HEADS)
def test_a_restored_head_goes_on_to_the_same_bits(name: str) -> None:
    features, labels = batch(identities=5, size=4, samples=6)

    def steps(head: Head, first: int, last: int) -> list[Tensor]:
        losses = []
        for step in range(first, last):
            head.reseed(step)
            head.advance(step, 10)
            losses.append(head(features, labels).loss.detach())
        return losses

    straight, begun, resumed = (HEADS[name](4, 5).double() for _ in range(3))
    begun.load_state_dict(straight.state_dict())
    whole = steps(straight, 0, 6)
    steps(begun, 0, 3)
    resumed.load_state_dict(begun.state_dict())
    for one, other in zip(whole[3:], steps(resumed, 3, 6), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("size", "identities"), [(0, 4), (4, 1), (4, 0)])
@pytest.mark.parametrize("name", HEADS)
def test_impossible_sizes(name: str, size: int, identities: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        HEADS[name](size, identities)


@pytest.mark.parametrize("name", HEADS)
def test_heads_are_documented(name: str) -> None:
    text = inspect.getdoc(HEADS[name]) or ""
    for parameter in inspect.signature(HEADS[name]).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "bias":
            assert parameter.name in text, f"{parameter.name} is not in the docstring"


@pytest.mark.parametrize("name", HEADS)
def test_every_head_teaches(name: str) -> None:
    # twelve clusters in 20 dimensions, through a linear map: all samples are told apart in the end
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(12).repeat(8)
    images = torch.randn(12, 20, generator=generator)[labels]
    images = images + 0.5 * torch.randn(96, 20, generator=generator)
    torch.manual_seed(1)
    network, head = torch.nn.Linear(20, 16), HEADS[name](16, 12)
    optimizer = torch.optim.SGD([*network.parameters(), *head.parameters()], lr=0.05, momentum=0.9)
    for step in range(300):
        head.reseed(step)
        head.advance(step, 300)
        optimizer.zero_grad()
        head(network(images), labels).loss.mean().backward()
        optimizer.step()
    assert head.eval()(network(images), labels).correct.float().mean() > 0.95
