"""Axes: where values lie, and what is written at them."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

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


@given(st.integers(-12, -1), st.sampled_from([0.5, 0.8, 0.99]), st.floats(0, 1))
def test_the_place_on_a_normal_axis_is_the_share_of_its_deviates(low: int, high: float, value: float) -> None:
    axis = Axis("FMR", 10.0**low, high, normal=True)
    first, last, here = (norm.ppf(share) for share in (axis.low, high, min(max(value, axis.low), high)))
    assert axis.place(value) == pytest.approx((here - first) / (last - first), abs=1e-9)


@pytest.mark.parametrize("high", [0.5, 0.8, 0.99])
@pytest.mark.parametrize("low", [1e-12, 1e-6, 1e-4, 0.1])
def test_ticks_of_a_normal_axis_leave_room_for_each_other(low: float, high: float) -> None:
    axis = Axis("FMR", low, high, per_cent=True, normal=True)
    ticks = axis.ticks()
    assert len(ticks) >= 2
    assert all(low * 0.999 <= tick <= high for tick in ticks)
    for a, b in pairwise(ticks):
        assert axis.place(b) - axis.place(a) >= 0.009 * (len(axis.text(a)) + len(axis.text(b)))
