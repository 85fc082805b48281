"""Summaries against their formulas, the statistic of the test against plain loops, both by simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.errors import DataError
from nsface.metrics import groups
from nsface.metrics.groups import (
    difference_p_value,
    garbe,
    gini,
    max_over_geometric_mean,
    max_over_min,
    summary_interval,
)
from nsface.metrics.shared_people import SharedPeople, mean_variance

RATE = st.floats(1e-4, 1)
PAIR = st.tuples(st.integers(0, 7), st.integers(0, 7), st.booleans())


@given(st.lists(RATE, min_size=2, max_size=6))
def test_summaries_are_their_formulas(rates: list[float]) -> None:
    n, mean = len(rates), sum(rates) / len(rates)
    apart = sum(abs(x - y) for x, y in product(rates, rates))
    assert gini(rates) == pytest.approx(n / (n - 1) * apart / (2 * n**2 * mean), abs=1e-12)
    assert max_over_geometric_mean(rates) == pytest.approx(max(rates) / np.prod(rates) ** (1 / n))
    assert max_over_min(rates) == pytest.approx(max(rates) / min(rates))
    assert garbe(rates, rates[::-1], 0.3) == pytest.approx(float(gini(rates)))
    together = np.array([rates, rates[::-1]])  # a row of rates has the summary of that row
    for summary in (gini, max_over_min, max_over_geometric_mean):
        assert summary(together) == pytest.approx([float(summary(rates))] * 2)


def test_gini_needs_two_groups() -> None:
    with pytest.raises(DataError, match="at least two groups, not 1"):
        gini([0.1])


@given(st.lists(st.tuples(RATE, st.floats(0.05, 1)), min_size=2, max_size=5), st.floats(0.1, 10))
def test_interval_holds_the_value_and_knows_no_scale(rows: list[tuple[float, float]], scale: float) -> None:
    rates, errors = (np.array(column) for column in zip(*rows, strict=True))
    for summary, least in ((gini, 0), (max_over_min, 1), (max_over_geometric_mean, 1)):
        low, high = summary_interval(summary, rates, (rates * errors) ** 2)
        assert least - 1e-9 <= low <= float(summary(rates)) <= high
        again = summary_interval(summary, scale * rates, (scale * rates * errors) ** 2)
        assert again == pytest.approx((low, high), rel=1e-3, abs=1e-4)


def test_interval_of_equal_rates_begins_with_them_and_does_not_end_there() -> None:
    low, high = summary_interval(max_over_min, [0.01, 0.01], [1e-6, 1e-6])
    assert low == pytest.approx(1)
    assert 1.2 < high < 1.5  # the standard error of the logarithm of the ratio is √2 / 10


def test_interval_of_two_certain_rates_is_that_of_their_ratio() -> None:
    low, high = summary_interval(max_over_min, [0.01, 0.03], [1e-6, 9e-6])
    half = 1.96 * 0.1 * 2**0.5
    assert (low, high) == pytest.approx((3 * np.exp(-half), 3 * np.exp(half)), rel=0.04)


def statistic(rows: list[tuple[int, int, bool]], group: list[int]) -> float:
    """As the docstring says it, by loops over pairs."""
    pairs = [(group[a], {a, b}, wrong) for a, b, wrong in rows if group[a] == group[b] != -1]
    rate = float(np.mean([wrong for _, _, wrong in pairs])) if pairs else 0.0
    if not 0 < rate < 1:
        return 0.0
    sharing: dict[int, int] = {}
    total = 0.0
    for i, (g, people, wrong) in enumerate(pairs):
        for j, (_, others, other) in enumerate(pairs):
            if i != j and people & others:
                sharing[g] = sharing.get(g, 0) + 1
                total += (wrong - rate) * (other - rate)
    shared = sum(sharing.values())
    covariance = max(total / shared, 0) if shared else 0
    found = []
    for g in {g for g, _, _ in pairs}:
        own = [wrong for other, _, wrong in pairs if other == g]
        variance = (len(own) * rate * (1 - rate) + sharing.get(g, 0) * covariance) / len(own) ** 2
        found.append((np.mean(own), 1 / variance))
    mean = sum(r * w for r, w in found) / sum(w for _, w in found)
    return float(sum(w * (r - mean) ** 2 for r, w in found))


@given(st.lists(PAIR, min_size=1, max_size=30), st.lists(st.integers(-1, 2), min_size=8, max_size=8))
def test_the_statistic_is_that_of_loops_over_pairs(
    rows: list[tuple[int, int, bool]], group: list[int]
) -> None:
    left, right, wrong = (np.array(column) for column in zip(*rows, strict=True))
    labels = np.array(group)
    couples = groups._couples(wrong.astype(float), left, right, labels)
    assert groups._heterogeneity(couples, labels, 3)[0] == pytest.approx(statistic(rows, group), abs=1e-9)


def test_p_value_counts_all_ways_to_deal_groups_out() -> None:
    wrong = np.array([True, True, True, False, False, False])
    people, group = np.arange(6), np.array([0, 0, 0, 1, 1, 1])
    found = difference_p_value(wrong, people, people, group, permutations=4999)
    assert found == pytest.approx(2 / 20, abs=0.02)  # 2 of the 20 ways part the errors as strongly
    assert found == difference_p_value(wrong, people, people, group, permutations=4999)


def test_people_in_no_group_do_not_count() -> None:
    random = np.random.default_rng(0)
    left, right = random.integers(0, 60, (2, 400))
    wrong, group = random.random(400) < 0.3, np.arange(60) % 3 - 1
    kept = (group[left] >= 0) & (group[right] >= 0)
    known = difference_p_value(wrong[kept], left[kept], right[kept], group, 99)
    assert difference_p_value(wrong, left, right, group, 99) == known


@pytest.mark.parametrize("group", [[0, 0, 0], [0, 2, 2], [-1, -1, -1]])
def test_a_test_needs_two_groups_with_pairs(group: list[int]) -> None:
    with pytest.raises(DataError, match="two groups or more"):
        difference_p_value([True, False, True], [0, 1, 2], [0, 1, 2], group)


@pytest.mark.parametrize("kind", ["genuine", "impostor", "impostors within groups only"])
def test_the_test_holds_its_level_where_pairs_share_people(kind: str) -> None:
    random, rejected, replicates = np.random.default_rng(0), 0, 300
    group = np.arange(240) // 80
    for _ in range(replicates):
        left = random.integers(0, 240, 1200)
        right = left if kind == "genuine" else random.integers(0, 240, 1200)
        if kind == "impostors within groups only":
            right = group[left] * 80 + random.integers(0, 80, 1200)
        person, own = random.normal(size=240), random.normal(size=1200)
        wrong = (person[left] + person[right]) / 2 + own < -1.8
        different = (left != right) | (kind == "genuine")
        rejected += difference_p_value(wrong[different], left[different], right[different], group, 59) <= 0.05
    assert 0.02 < rejected / replicates < 0.085  # three standard errors around 5 %


def test_the_test_finds_a_difference() -> None:
    random = np.random.default_rng(1)
    group = np.arange(200) % 2
    people = random.integers(0, 200, 2000)
    wrong = random.random(2000) < np.where(group[people] == 1, 0.1, 0.05)
    assert difference_p_value(wrong, people, people, group) < 0.01


def test_intervals_cover_by_simulation() -> None:
    random, truth, replicates = np.random.default_rng(2), np.array([0.04, 0.04, 0.1]), 200
    held = {gini: 0, max_over_min: 0, max_over_geometric_mean: 0}
    for _ in range(replicates):
        people = np.repeat(np.arange(200), 5)
        wrong = [random.beta(2 * r, 2 * (1 - r), 200)[people] > random.random(1000) for r in truth]
        rates = np.array([one.mean() for one in wrong])
        variances = [mean_variance(one, SharedPeople(people, people)) for one in wrong]
        for summary in held:
            low, high = summary_interval(summary, rates, variances)
            held[summary] += low <= float(summary(truth)) <= high
    assert all(0.9 <= count / replicates <= 1 for count in held.values())
