"""The identity-aware variance against its definition, its intervals against closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nsface.errors import DataError
from nsface.metrics.shared_people import SharedPeople, paired_difference, rate_interval
from nsface.metrics.statistics import wilson_interval

PAIR = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(-4, 4))


def products(left: list[int], right: list[int], values: list[float]) -> float:
    """Every pair with every pair, as the definition says."""
    people = [{a, b} for a, b in zip(left, right, strict=True)]
    return sum(
        v * w
        for v, p in zip(values, people, strict=True)
        for w, q in zip(values, people, strict=True)
        if p & q
    )


@given(st.lists(PAIR, min_size=1, max_size=30))
def test_products_are_those_of_all_pairs_that_share_a_person(rows: list[tuple[int, int, int]]) -> None:
    left, right, values = (list(column) for column in zip(*rows, strict=True))
    expected = products(left, right, values)  # with repeated pairs, pairs turned round, pairs of one person
    assert SharedPeople(left, right).products(np.array(values, dtype=float)) == expected
    names = [[f"person {number}" for number in side] for side in (right, left)]
    assert SharedPeople(*names).products(np.array(values, dtype=float)) == expected


@pytest.mark.parametrize("seed", range(4))
def test_variance_of_the_interval_is_the_definition(seed: int) -> None:
    random = np.random.default_rng(seed)
    left, right = random.integers(0, 12, (2, 150))
    right[::3] = left[::3]
    weights = random.integers(1, 4, 150) / 1.0
    values = random.random(150) < 0.8
    weight = weights / weights.sum()
    share = (weight * values).sum()
    residuals = weight * (values - share)
    degrees = np.array([weight[(left == p) | (right == p)].sum() for p in range(12)])
    people = degrees.sum() ** 2 / (degrees**2).sum()
    variance = max(products(list(left), list(right), list(residuals)), (residuals**2).sum())
    variance = variance * people / (people - 1) + 1e-4
    t, trials = stats.t.ppf(0.975, people - 1), share * (1 - share) / variance
    low, high = rate_interval(values, SharedPeople(left, right), weights=weights, added=1e-4)
    for end in (low, high):  # Wilson's interval ends where the deviation is t standard deviations
        assert (end - share) ** 2 == pytest.approx(t**2 * end * (1 - end) / trials)
    assert low < share < high


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_pairs_that_share_nobody_have_the_ordinary_interval(share: float) -> None:
    values = np.arange(4000) < 4000 * share
    shared = SharedPeople(np.arange(0, 8000, 2), np.arange(1, 8000, 2))
    assert rate_interval(values, shared) == pytest.approx(wilson_interval(int(values.sum()), 4000), abs=2e-5)


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("weights", [None, "thirds"])
def test_no_error_at_all_counts_pairs_as_independent(value: bool, weights: str | None) -> None:
    random = np.random.default_rng(0)
    left, right = random.integers(0, 500, (2, 3000))
    given_weights = None if weights is None else random.integers(1, 4, 3000) / 3
    low, high = rate_interval(np.full(3000, value), SharedPeople(left, right), weights=given_weights)
    expected = wilson_interval(3000 * value, 3000)
    assert (low, high) == pytest.approx(expected, abs=2e-5)
    assert (high == 1) if value else (low == 0)


def test_interval_widens_with_what_people_share() -> None:
    random = np.random.default_rng(1)
    hard = random.random(60) < 0.2  # people whose pairs all fail
    left, right = random.integers(0, 60, (2, 3000))
    values = ~(hard[left] | hard[right])
    low, high = rate_interval(values, SharedPeople(left, right))
    narrow = wilson_interval(int(values.sum()), len(values))
    assert low < values.mean() < high
    assert high - low > 3 * (narrow[1] - narrow[0])
    mixed = rate_interval(random.permutation(values), SharedPeople(left, right))
    assert mixed[1] - mixed[0] < 1.5 * (narrow[1] - narrow[0])


def test_clusters_have_the_variance_of_their_sums() -> None:
    random = np.random.default_rng(2)
    people = np.repeat(np.arange(80), 5)
    first, second = random.random((2, 80, 5)) < np.array([[0.9], [0.7]])[:, :, None]
    gain = (first.astype(float) - second).mean(axis=1)  # of each person, all with as many pairs
    found = paired_difference(first.ravel(), second.ravel(), SharedPeople(people, people))
    expected = stats.ttest_1samp(gain, 0)
    assert found.difference == pytest.approx(gain.mean())
    if gain.var() * 5 > (first.astype(float) - second).var():  # else pairs count as independent
        assert found.p_value == pytest.approx(expected.pvalue)
        interval = expected.confidence_interval()
        assert found.confidence_interval == pytest.approx((interval.low, interval.high))


def test_difference_of_one_system_and_itself() -> None:
    shared = SharedPeople([0, 1, 2], [1, 2, 3])
    right = [True, False, True]
    same = paired_difference(right, right, shared)
    assert (same.difference, same.confidence_interval, same.p_value) == (0, (0, 0), 1)
    assert paired_difference([True] * 3, [False] * 3, shared).p_value == 0


@pytest.mark.parametrize("effect", [0.0, 0.6])
def test_intervals_and_tests_hold_on_simulated_people(effect: float) -> None:
    random = np.random.default_rng(3)
    left, right = random.integers(0, 300, (2, 900))
    right[::2] = left[::2]
    shared = SharedPeople(left, right)
    held, rejected = 0, 0
    for _ in range(400):
        systems = []
        for _ in range(2):
            person = random.normal(size=300) * np.sqrt(effect)
            noise = np.sqrt(1 - effect) * random.normal(size=900)
            both = np.where(left == right, person[left], (person[left] + person[right]) / np.sqrt(2))
            systems.append(both + noise < stats.norm.ppf(0.9))
        low, high = rate_interval(systems[0], shared)
        held += low <= 0.9 <= high
        rejected += paired_difference(systems[0], systems[1], shared).p_value <= 0.05
    assert 0.92 <= held / 400 <= 0.98
    assert 0.025 <= rejected / 400 <= 0.08


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="in no pairs"):
        SharedPeople([], [])
    with pytest.raises(DataError, match="in no pairs"):
        SharedPeople([1, 2], [1])
    with pytest.raises(DataError, match="do not fit 2 pairs"):
        rate_interval([True], SharedPeople([1, 2], [2, 3]))
    with pytest.raises(DataError, match="of one person"):
        rate_interval([True, False], SharedPeople([1, 1], [1, 1]))
