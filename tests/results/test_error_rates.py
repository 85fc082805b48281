"""The rule of 3, and what a table says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.results.error_rates import is_resolved, unresolved


@given(st.integers(1, 10**9))
def test_three_expected_errors_are_resolved_and_fewer_are_not(impostors: int) -> None:
    assert is_resolved(3 / impostors, impostors)
    assert not is_resolved(2.99 / impostors, impostors)


@pytest.mark.parametrize("impostors", [30, 300, 3000])
def test_no_error_in_n_trials_leaves_3_in_n_possible(impostors: int) -> None:
    """What the rule says: a rate of 3 / n shows no error in n trials with probability 5 %."""
    assert (1 - 3 / impostors) ** impostors == pytest.approx(0.05, abs=0.008)


def test_a_table_names_what_is_not_resolved() -> None:
    assert unresolved([0.1, 0.001], 3000, "FMR", "impostor pairs") == ()
    (line,) = unresolved([0.1, 0.01, 0.001], 10, "FPIR", "impostors", 200)
    assert line == "  10 impostors cannot resolve an FPIR below 30 % (rule of 3), such as 10 %, 1 % and 0.1 %"
    (line,) = unresolved([1e-9], 10**8, "FMR", "impostor pairs", 200)
    assert "100,000,000 impostor pairs" in line
    assert "below 3e-06 %" in line
