"""Expected calibration error, against a loop over bins; Platt scaling, against scikit-learn."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from nsface.errors import DataError
from nsface.metrics.calibration import calibration, platt


@pytest.mark.parametrize("bins", [1, 2, 15])
def test_error_matches_a_loop(bins: int) -> None:
    random = np.random.default_rng(bins)
    for _ in range(50):
        said = random.integers(0, 31, 200) / 30
        right = random.random(200) < said**2
        error = 0.0
        for b in range(bins):
            inside = [(s > b / bins or (b == 0 and s == 0)) and s <= (b + 1) / bins for s in said]
            if any(inside):
                error += np.sum(inside) / 200 * abs(right[inside].mean() - said[inside].mean())
        assert calibration(said, right, bins).error == pytest.approx(error)


@pytest.mark.parametrize("bins", [1, 2, 3, 10, 15, 25, 49, 50, 77, 100, 997])
def test_a_confidence_on_an_edge_belongs_to_the_bin_below(bins: int) -> None:
    for k in range(1, bins + 1):
        edge = float(Fraction(k, bins))  # the nearest float
        above = np.nextafter(edge, 2)
        found = calibration([edge, np.nextafter(edge, 0), min(above, 1.0)], [True] * 3, bins).count
        assert found[k - 1] == (3 if k == bins else 2)
        assert k == bins or found[k] == 1


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40), st.integers(1, 300))
def test_bins_are_those_of_exact_comparison(rows: list[tuple[float, bool]], bins: int) -> None:
    edges = [float(Fraction(k, bins)) for k in range(bins + 1)]
    said, right = (list(column) for column in zip(*rows, strict=True))
    expected = [sum(low < s <= high or (low == s == 0) for s in said) for low, high in pairwise(edges)]
    assert calibration(said, right, bins).count.tolist() == expected


@pytest.mark.parametrize("bins", [1, 5, 10, 15, 33])
def test_curve_is_that_of_scikit_learn_to_the_last_bit(bins: int) -> None:
    random = np.random.default_rng(bins)
    said = random.random(1000)  # none on an edge
    right = random.random(1000) < said
    found = calibration(said, right, bins)
    accuracy, confidence = calibration_curve(right, said, n_bins=bins)
    filled = found.count > 0
    assert (found.accuracy[filled] == accuracy).all()
    assert (found.confidence[filled] == confidence).all()


def test_known_values() -> None:
    assert calibration([1.0, 1.0], [True, True]).error == 0
    assert calibration([1.0, 1.0], [True, False]).error == 0.5
    assert calibration([0.0], [False]).count.tolist()[0] == 1


@pytest.mark.parametrize(("said", "right"), [([1.2], [True]), ([], []), ([0.5], [True, False])])
def test_bad_input_is_refused(said: list[float], right: list[bool]) -> None:
    with pytest.raises(DataError):
        calibration(said, right)
    with pytest.raises(DataError, match="at least one bin"):
        calibration([0.5], [True], 0)


@given(st.lists(st.tuples(st.integers(-8, 8), st.booleans()), min_size=2, max_size=60))
def test_platt_is_logistic_regression_on_smoothed_targets(rows: list[tuple[int, bool]]) -> None:
    scores, same = np.array([s / 4 for s, _ in rows]), np.array([y for _, y in rows])
    assume(same.any() and not same.all() and len(set(scores.tolist())) > 1)
    positive, negative = same.sum(), (~same).sum()
    target = np.where(same, (positive + 1) / (positive + 2), 1 / (negative + 2))
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000)
    labels = np.repeat([1, 0], len(scores))
    model.fit(np.tile(scores, 2)[:, None], labels, sample_weight=np.concatenate([target, 1 - target]))
    expected = model.predict_proba(scores[:, None])[:, 1]
    np.testing.assert_allclose(platt(scores, same).probability(scores), expected, atol=1e-4)


def test_platt_of_separable_and_of_constant_scores_is_finite() -> None:
    separable = platt([0.0, 0.1, 0.9, 1.0], [False, False, True, True])
    assert 0 < separable.slope < 100
    assert separable.probability([0.0])[0] < 0.3 < 0.7 < separable.probability([1.0])[0]
    constant = platt([0.5] * 4, [False, True, True, True])
    assert constant.probability([0.5])[0] == pytest.approx((3 * 4 / 5 + 1 / 3) / 4)
    assert platt([1e6, 1.0], [True, False]).probability([1e9, -1e9]).tolist() == pytest.approx([1, 0])
    with pytest.raises(DataError, match="of the same and of different people"):
        platt([1.0, 2.0], [True, True])
