"""ψ, by its definition interval by interval."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nsface.heads.psi import annealed_lambda, psi, psi_of_multiple
from tests.heads.oracle import few


def by_definition(angle: float, m: float) -> float:
    k = math.floor(m * angle / math.pi)
    return (-1.0) ** k * math.cos(m * angle) - 2 * k


@few
@given(angle=st.floats(0, math.pi), m=st.integers(1, 4))
def test_psi(angle: float, m: int) -> None:
    theta = torch.tensor([angle], dtype=torch.float64)
    expected = by_definition(angle, m)
    # at a joint the two intervals agree to rounding
    assert psi(m * theta).item() == pytest.approx(expected, abs=1e-9)
    assert psi_of_multiple(theta.cos(), m).item() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_psi_falls_from_1_to_minus_2m_plus_1(m: int) -> None:
    theta = torch.linspace(0, math.pi, 20_000, dtype=torch.float64)
    for values in (psi(m * theta), psi_of_multiple(theta.cos(), m)):
        assert (values.diff() < 1e-12).all()
        assert values[0].item() == pytest.approx(1)
        assert values[-1].item() == pytest.approx(1 - 2 * m)


def test_weight_of_the_unchanged_logit() -> None:
    found = [annealed_lambda(step, 5, 0.12) for step in (0, 100, 1000, 100_000)]
    assert found == pytest.approx([1000, 1000 / 13, 1000 / 121, 5])
    assert annealed_lambda(100, 5, 1.2) == annealed_lambda(1000, 5, 0.12), "ten times as fast"
