"""Noisy Softmax against its first author's layer, whose formula and gradients are written out here by hand.

    f'_y = f_y − (1 − λ)(α|ξ| + μ) ‖W_y‖‖x‖(1 − cos θ_y),    one ξ a mini-batch, the bias outside

The layer calls α² m, λ lamda and μ miu; its defaults are m = 1, λ = 1 and μ = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nsface.errors import RecipeError
from nsface.heads import NoisySoftmax, Softmax
from nsface.recipe.schema import load_recipe
from tests.heads.oracle import batch, few, ready, xi

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """The layer of one mini-batch: what it makes of features, weights, bias and labels, and its gradients."""

    m: float
    lamda: float
    miu: float
    xi: float

    @property
    def strength(self) -> float:
        return (1 - self.lamda) * (math.sqrt(self.m) * abs(self.xi) + self.miu)

    def forward(self, x: Array, w: Array, b: Array, y: Array) -> Array:
        top = x @ w.T
        for i, label in enumerate(y):
            lengths = np.sqrt(np.sum(w[label] ** 2)) * np.sqrt(np.sum(x[i] ** 2))
            cosine = top[i, label] / lengths
            top[i, label] -= self.strength * lengths * (1 - cosine)
        return top + b

    def backward(self, above: Array, x: Array, w: Array, y: Array) -> tuple[Array, Array, Array]:
        """Gradients by x, w and b from those by the layer's output, ξ held constant."""
        by_x, by_w, by_b = above @ w, above.T @ x, above.sum(0)
        for i, label in enumerate(y):
            x_norm, w_norm = np.sqrt(np.sum(x[i] ** 2)), np.sqrt(np.sum(w[label] ** 2))
            by_x[i] += above[i, label] * self.strength * (w[label] - w_norm / x_norm * x[i])
            by_w[label] += above[i, label] * self.strength * (x[i] - x_norm / w_norm * w[label])
        return by_x, by_w, by_b


def softmax_loss(logits: Array, y: Array) -> tuple[Array, Array]:
    """Cross entropy of each sample, and its gradient by the logits."""
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    here = np.arange(len(y))
    losses = -np.log(shares[here, y])
    shares[here, y] -= 1
    return losses, shares


@few
@given(
    m=st.sampled_from([0.0, 0.05, 0.1, 1.0]),
    lamda=st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)),
    miu=st.one_of(st.just(0.0), st.floats(0, 3)),
    seed=st.integers(0, 999),
)
def test_forward_and_backward(m: float, lamda: float, miu: float, seed: int) -> None:
    features, labels = batch(identities=4, size=5, samples=6, scale=1.5, seed=seed)
    features.requires_grad_()
    head = NoisySoftmax(5, 4, alpha2=m, lamda=lamda, miu=miu, noise_per="batch", bias=True)
    ready(head, seed)
    assert head.bias is not None
    torch.nn.init.normal_(head.bias, generator=torch.Generator().manual_seed(seed))

    layer = Layer(m, lamda, miu, xi(seed, 1).item())
    x, w, b = (tensor.detach().numpy() for tensor in (features, head.weight, head.bias))
    expected, above = softmax_loss(layer.forward(x, w, b, labels.numpy()), labels.numpy())
    gradients = layer.backward(above, x, w, labels.numpy())

    loss = head(features, labels).loss
    np.testing.assert_allclose(loss.detach(), expected, rtol=1e-11, atol=1e-12)
    found = torch.autograd.grad(loss.sum(), [features, head.weight, head.bias])
    for mine, right in zip(found, gradients, strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-10, atol=1e-11)


def test_by_hand() -> None:
    # ‖W‖ = 2, ‖x‖ = 3, at a right angle, ξ = −1.5: f' = 0 − (1 − 0.25)(0.5 · 1.5 + 0.2) · 6 = −4.275
    layer = Layer(m=0.25, lamda=0.25, miu=0.2, xi=-1.5)
    x, w = np.array([[0.0, 3.0]]), np.array([[2.0, 0.0], [0.0, 1.0]])
    assert layer.forward(x, w, np.zeros(2), np.array([0])).tolist() == [[pytest.approx(-4.275), 3.0]]


def test_miu_stays_where_alpha_is_0() -> None:
    features, labels = batch(4, 5, 6, scale=2, seed=1)
    head, plain = ready(NoisySoftmax(5, 4, alpha2=0, miu=0.5)), ready(Softmax(5, 4))
    assert (head(features, labels).loss > plain(features, labels).loss).all()


@few
@given(m=st.floats(0, 2), miu=st.floats(0, 2), seed=st.integers(0, 99))
def test_lamda_of_1_is_softmax(m: float, miu: float, seed: int) -> None:
    features, labels = batch(4, 5, 6, scale=2, seed=seed)
    head, plain = ready(NoisySoftmax(5, 4, alpha2=m, lamda=1, miu=miu)), ready(Softmax(5, 4))
    plain.weight.data.copy_(head.weight)
    assert torch.equal(head(features, labels).loss, plain(features, labels).loss)


@few
@given(
    variant=st.sampled_from(["annealed", "amplitude", "free"]),
    noise=st.sampled_from(["half-normal", "normal"]),
    per=st.sampled_from(["sample", "batch"]),
    seed=st.integers(0, 99),
)
def test_both_act_in_the_same_places_in_every_variant(variant: str, noise: str, per: str, seed: int) -> None:
    # (1 − λ)(α|ξ| + μ) magnitude, and α = 0, λ = 0, μ = 1 give the magnitude alone
    features, labels = batch(4, 5, 6, scale=2, seed=seed)
    kinds: dict[str, Any] = {"variant": variant, "noise": noise, "noise_per": per}

    def drawn_noise(**arguments: Any) -> torch.Tensor:
        head = ready(NoisySoftmax(5, 4, **kinds, **arguments), seed)
        classes, _ = head._classes(features.dtype, labels)
        target = head._target(features, classes, labels)
        return (target.logit - head.changed_target(target)).detach()

    magnitude = drawn_noise(alpha2=0, miu=1)
    draws = xi(seed, 6 if per == "sample" else 1)
    draws = draws.abs() if noise == "half-normal" else draws
    expected = (1 - 0.3) * (0.5**0.5 * draws + 0.7) * magnitude
    torch.testing.assert_close(drawn_noise(alpha2=0.5, lamda=0.3, miu=0.7), expected)


@pytest.mark.parametrize(
    ("former", "conversion"),
    [
        ("blend", r"^blend: .*give lamda = blend/\(1 \+ blend\)"),
        ("offset", r"^offset: .*give miu = offset · √alpha2"),
    ],
)
@pytest.mark.parametrize("value", [0, 0.5, 3])
def test_former_arguments_are_refused_with_the_conversion(former: str, conversion: str, value: float) -> None:
    with pytest.raises(ValueError, match=conversion):
        NoisySoftmax(4, 3, **cast(dict[str, Any], {former: value}))


@pytest.mark.parametrize("former", ["blend", "offset"])
def test_former_arguments_in_a_recipe(former: str, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        f"network: {{name: light-resnet}}\nepochs: 1\nhead:\n  name: noisy-softmax\n  {former}: 0.5\n"
    )
    with pytest.raises(RecipeError, match=rf"r\.yaml:\d+: .*{former}: .*give (lamda|miu) = {former}"):
        load_recipe(path)


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^lambda: noisy-softmax has no such .*did you mean 'lamda'"):
        NoisySoftmax(4, 3, **cast(dict[str, Any], {"lambda": 0.5}))


@few
@given(blend=st.floats(0, 20), offset=st.floats(0, 3), m=st.floats(0.01, 1), seed=st.integers(0, 99))
def test_the_conversion(blend: float, offset: float, m: float, seed: int) -> None:
    # nsface 0.3: (blend · f + f − α(|ξ| + offset) magnitude) / (1 + blend)
    draw = xi(seed, 1).item()
    layer = Layer(m, blend / (1 + blend), offset * np.sqrt(m), draw)
    assert layer.strength == pytest.approx(np.sqrt(m) * (abs(draw) + offset) / (1 + blend))
