"""Axes: where values lie, and what is written at them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.report.axis import MOST_POWERS, Axis


def test_logarithmic_axis() -> None:
    axis = Axis("FAR", 1e-4, 1.0, log=True, per_cent=True)
    assert axis.place(1e-2) == pytest.approx(0.5)
    assert axis.place(0.0) == 0.0
    assert axis.place(7.0) == 1.0
    assert [axis.text(tick) for tick in axis.ticks()] == ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"]


def test_many_powers_of_ten_are_written_in_part() -> None:
    axis = Axis("FAR", 1e-8, 1.0, log=True)
    assert axis.ticks() == pytest.approx([1e-8, 1e-6, 1e-4, 1e-2, 1])


def test_ranks_are_written_as_people_name_them() -> None:
    assert Axis("rank", 1.0, 50.0, log=True).ticks() == [1, 2, 5, 10, 20, 50]


def test_ticks_are_round_and_within_the_axis() -> None:
    assert Axis("step", 0.0, 675.0).ticks() == [0, 200, 400, 600]
    assert [Axis("", 0.0, 1.0, per_cent=True).text(v) for v in (0.0, 0.2)] == ["0 %", "20 %"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1e-5, "0.00001"),
        (2.5e-6, "0.0000025"),
        (-1e-5, "-0.00001"),
        (1e-9, "1e-09"),
        (12e3, "12,000"),
    ],
)
def test_small_numbers_are_written_out(value: float, text: str) -> None:
    assert Axis("", -1.0, 1.0).text(value) == text


@given(st.integers(-12, -1), st.floats(0, 2))
def test_a_logarithmic_axis_has_few_ticks(low: int, value: float) -> None:
    axis = Axis("FAR", 10.0**low, 1.0, log=True)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= MOST_POWERS
    assert ticks[-1] == 1.0
    assert all(axis.low * 0.999 <= tick <= axis.high for tick in ticks)
    assert 0 <= axis.place(value) <= 1
    assert axis.holds(value) == (10.0**low <= value <= 1)


def test_the_place_on_a_logarithmic_axis_is_the_share_of_its_decades() -> None:
    axis = Axis("", 1e-3, 10.0, log=True)
    for value in (1e-3, 0.02, 0.5, 10):
        assert axis.place(value) == pytest.approx((math.log10(value) + 3) / 4)
