"""ECE and MCE, against their definition written as loops, and cases that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.metrics.calibration_error import calibration_errors


def by_definition(confidence: list[float], correct: list[bool], bins: int) -> tuple[float, float]:
    gaps = []
    for number in range(bins):
        inside = [
            i
            for i, c in enumerate(confidence)
            if number / bins < c <= (number + 1) / bins or (c == 0 and number == 0)
        ]
        if inside:
            mean = sum(confidence[i] for i in inside) / len(inside)
            gaps.append((abs(mean - sum(correct[i] for i in inside) / len(inside)), len(inside)))
    return sum(gap * size for gap, size in gaps) / len(confidence), max(gap for gap, _ in gaps)


@given(
    st.lists(
        st.tuples(st.integers(0, 1000).map(lambda n: n / 1000 + 1e-7 * (n < 1000)), st.booleans()), min_size=1
    ),
    st.sampled_from([1, 2, 5, 10, 15]),
)
def test_by_definition(samples: list[tuple[float, bool]], bins: int) -> None:
    confidence, correct = [c for c, _ in samples], [r for _, r in samples]
    found = calibration_errors(np.array(confidence), np.array(correct), bins)
    assert found == pytest.approx(by_definition(confidence, correct, bins))


def test_edges_belong_to_the_lower_bin() -> None:
    ece, mce = calibration_errors(np.array([0.5, 0.5]), np.array([True, False]), bins=2)
    assert (ece, mce) == (0, 0)
    # in one bin the two gaps would cancel
    ece, mce = calibration_errors(np.array([0.5, 0.5001]), np.array([True, False]), bins=2)
    assert ece == pytest.approx(0.50005)
    assert mce == pytest.approx(0.5001)


def test_what_is_right_as_often_as_it_says_is_calibrated() -> None:
    draws = np.random.default_rng(0)
    confidence = draws.uniform(0.1, 1, 200_000)
    ece, mce = calibration_errors(confidence, draws.uniform(size=len(confidence)) < confidence)
    assert ece < 0.005
    assert mce < 0.02


def test_zero_and_one() -> None:
    assert calibration_errors(np.array([0.0, 1.0]), np.array([False, True])) == (0, 0)
    assert calibration_errors(np.array([0.0, 1.0]), np.array([True, False])) == (1, 1)


@pytest.mark.parametrize("confidence", [[], [1.1], [-0.1]])
def test_what_is_no_probability(confidence: list[float]) -> None:
    with pytest.raises(ValueError, match=r"samples|probability"):
        calibration_errors(np.array(confidence), np.ones(len(confidence), bool))
