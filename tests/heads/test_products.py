"""The classifier's products with factors rounded to bfloat16, against float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nsface.heads import HEADS, other_identities
from nsface.heads.other_identities import Classes, reduce_blocked, reduce_plain
from nsface.heads.products import linear, product
from tests.heads.oracle import batch

BF16 = torch.bfloat16
# Relative errors in the L2 norm, against float64 with factors that are not rounded. Rounding changes a factor
# by at most 2^-9 of its value, 0.2 %.
LOGIT_TOLERANCE = 0.005
GRADIENT_TOLERANCE = 0.01


def rounded(tensor: Tensor) -> Tensor:
    return tensor.to(BF16).double()


def error(found: Tensor, right: Tensor) -> float:
    found, right = found.detach(), right.detach()
    return float((found.double() - right).norm() / right.norm())


def test_products_of_rounded_factors_have_sums_in_float32() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(7, 4000), torch.randn(4000, 5)
    exact = rounded(left) @ rounded(right)
    out = torch.empty(7, 5)
    assert error(product(left, right, BF16), exact) < 1e-6
    assert product(left, right, BF16, out=out) is out
    assert error(out, exact) < 1e-6
    assert error(product(left, right, None), left.double() @ right.double()) < 1e-6
    assert 1e-4 < error(out, left.double() @ right.double()) < LOGIT_TOLERANCE


def test_linear_rounds_both_factors_of_all_three_products() -> None:
    torch.manual_seed(0)
    features, weight, bias = torch.randn(6, 50), torch.randn(9, 50), torch.randn(9)
    upstream = torch.randn(6, 9)
    inputs = [tensor.requires_grad_() for tensor in (features, weight, bias)]
    logits = linear(features, weight, bias, BF16)
    found = torch.autograd.grad(logits, inputs, upstream)
    assert error(logits, rounded(features) @ rounded(weight).T + bias.double()) < 1e-6
    assert error(found[0], rounded(upstream) @ rounded(weight)) < 1e-6
    assert error(found[1], rounded(upstream).T @ rounded(features)) < 1e-6
    assert torch.equal(found[2], upstream.sum(0))


@pytest.mark.parametrize("unit", [False, True])
def test_both_forms_round_the_same_factors(unit: bool) -> None:
    features, labels = batch(40, 16, 6, scale=2)
    weight = batch(40, 16, 40, seed=1)[0]
    rows = weight / weight.norm(dim=1, keepdim=True) if unit else weight
    logits = rounded(features.float()) @ rounded(rows.float()).T
    expected = logits.scatter(1, labels[:, None], -torch.inf).logsumexp(1)
    leaves = [features.float().requires_grad_(), weight.float().requires_grad_()]
    classes = Classes(leaves[1], None, unit, factors=BF16)
    gradients = []
    for n, _ in (
        reduce_plain(leaves[0], classes, labels),
        reduce_blocked(leaves[0], classes, labels, block_size=7),
    ):
        torch.testing.assert_close(n.double(), expected, rtol=1e-6, atol=1e-5)
        gradients.append(torch.autograd.grad(n.sum(), leaves))
    for plain, blocked in zip(*gradients, strict=True):
        assert error(blocked, plain.double()) < GRADIENT_TOLERANCE / 2


@pytest.mark.parametrize("form", ["plain", "blocked"])
@pytest.mark.parametrize("name", HEADS)
def test_every_head_is_within_its_tolerance(name: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = batch(identities=50, size=64, samples=24)
    weight = batch(50, 64, 50, seed=1)[0] / 4

    def passed(dtype: torch.dtype, factors: torch.dtype | None) -> list[Tensor]:
        head = HEADS[name](64, 50).to(dtype)
        head.weight.data.copy_(weight)
        head.factors = factors
        head.reseed(2)
        head.advance(700, 1000)
        inputs = features.to(dtype).requires_grad_()
        losses = head(inputs, labels).loss
        assert losses.dtype == dtype
        return [losses.detach(), *torch.autograd.grad(losses.mean(), [inputs, head.weight])]

    # draws depend on the type: with a generator of its own, a head draws the same for both
    monkeypatch.setattr(torch, "randn", lambda *size, dtype, **_: torch.linspace(-2, 2, *size, dtype=dtype))
    monkeypatch.setattr(other_identities, "PLAIN_LIMIT", 2**62)
    exact = passed(torch.float64, None)
    if form == "blocked":
        monkeypatch.setattr(other_identities, "PLAIN_LIMIT", 0)
        monkeypatch.setattr(other_identities, "BLOCK", {"cpu": 24 * 7})
    found = passed(torch.float32, BF16)
    assert error(found[0], exact[0]) < LOGIT_TOLERANCE
    for mine, right in zip(found[1:], exact[1:], strict=True):
        assert error(mine, right) < GRADIENT_TOLERANCE
    assert any(error(mine, right) > 1e-5 for mine, right in zip(found, exact, strict=True)), "not rounded"
