"""Standard errors, intervals, tests: against tables, scipy and simulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from nsface.errors import DataError
from nsface.metrics.statistics import (
    bootstrap_difference,
    holm,
    mcnemar,
    paired_folds,
    standard_error,
    student_interval,
    welch,
    wilson_interval,
)

FOLDS = [0.99, 0.985, 0.992, 0.988, 0.991, 0.99, 0.987, 0.995, 0.99, 0.986]


def test_standard_error_and_t_interval() -> None:
    assert standard_error(FOLDS) == pytest.approx(stats.sem(FOLDS))
    expected = stats.t.interval(0.95, 9, np.mean(FOLDS), stats.sem(FOLDS))
    assert student_interval(FOLDS) == pytest.approx(expected)
    with pytest.raises(DataError, match="two values"):
        standard_error([1.0])


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (7, 10), (10, 10), (2970, 3000)])
def test_wilson_agrees_with_scipy(k: int, n: int) -> None:
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson_interval(k, n) == pytest.approx((expected.low, expected.high))
    with pytest.raises(DataError, match="no share"):
        wilson_interval(n + 1, n)


@pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 0), (3, 9), (10, 10), (40, 60)])
def test_mcnemar_agrees_with_the_binomial_test(a: int, b: int) -> None:
    first = [True] * a + [False] * b + [True, False] * 5
    second = [False] * a + [True] * b + [True, False] * 5
    test = mcnemar(first, second)
    assert (test.only_first, test.only_second) == (a, b)
    if a + b:
        assert test.exact == pytest.approx(stats.binomtest(a, a + b).pvalue)
        masses = stats.binom.pmf(np.arange(a + b + 1), a + b, 0.5)
        tail = masses[: min(a, b)].sum() + masses[min(a, b)] / 2
        assert test.mid_p == pytest.approx(min(1.0, 2 * tail))
    else:
        assert (test.exact, test.mid_p) == (1, 1)


def test_paired_folds_agrees_with_scipy() -> None:
    other = [0.98, 0.984, 0.99, 0.985, 0.992, 0.985, 0.984, 0.99, 0.991, 0.98]
    found = paired_folds(FOLDS, other)
    expected = stats.ttest_rel(FOLDS, other)
    assert found.p_value == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert found.confidence_interval == pytest.approx((interval.low, interval.high))
    assert found.difference == pytest.approx(np.mean(FOLDS) - np.mean(other))
    assert paired_folds(FOLDS, FOLDS).p_value == 1
    assert paired_folds([0.5, 0.75], [0.25, 0.5]).p_value == 0
    with pytest.raises(DataError, match="cannot be paired"):
        paired_folds(FOLDS, FOLDS[1:])


RATES = st.lists(st.integers(50, 100).map(lambda n: n / 100), min_size=2, max_size=6)


@pytest.mark.filterwarnings("ignore:Precision loss")  # of SciPy's, where a sample has no spread
@given(RATES, RATES)
def test_welch_agrees_with_scipy(first: list[float], second: list[float]) -> None:
    found = welch(first, second)
    assert found.difference == pytest.approx(np.mean(first) - np.mean(second), abs=1e-12)
    assume(len({*first}) > 1 or len({*second}) > 1)
    expected = stats.ttest_ind(first, second, equal_var=False)
    interval = expected.confidence_interval()
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-12)
    assert found.confidence_interval == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-9)


def test_welch_without_spread() -> None:
    assert welch([0.5, 0.5], [0.5, 0.5, 0.5]).p_value == 1
    assert welch([0.75, 0.75], [0.5, 0.5]).p_value == 0
    assert welch([0.75, 0.75], [0.5, 0.5]).confidence_interval == (0.25, 0.25)
    with pytest.raises(DataError, match="at least two values"):
        welch([0.5], [0.5, 0.6])


def test_bootstrap_difference() -> None:
    samples = np.random.default_rng(0).normal(0.02, 0.01, 999)
    found = bootstrap_difference(samples, np.zeros(999), 0.02)
    assert found.confidence_interval == pytest.approx((0, 0.04), abs=0.004)
    assert 0.02 < found.p_value < 0.09
    assert bootstrap_difference(np.ones(99), np.zeros(99), 1.0).p_value == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("less", "equal", "more"), [(0, 99, 0), (10, 80, 9), (3, 0, 96), (0, 4, 95), (1, 2, 96)]
)
def test_bootstrap_counts_samples_without_difference_once(less: int, equal: int, more: int) -> None:
    delta = np.repeat([-1.0, 0.0, 1.0], [less, equal, more])
    expected = 2 * (min(less, more) + equal / 2 + 1) / 100
    assert bootstrap_difference(delta, np.zeros(99), 0.0).p_value == pytest.approx(min(1.0, expected))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p_values: list[float]) -> None:
    """A hypothesis falls where every set of hypotheses that contains it falls by Bonferroni's test."""
    places = range(len(p_values))
    sets = [chosen for size in places for chosen in combinations(places, size + 1)]
    expected = [
        max(min(1.0, len(chosen) * min(p_values[j] for j in chosen)) for chosen in sets if i in chosen)
        for i in places
    ]
    assert holm(p_values) == pytest.approx(expected, abs=1e-15)


def test_holm_keeps_the_chance_of_any_wrong_claim() -> None:
    """Of five differences three are none: one of these is claimed in at most 5 % of the experiments."""
    random = np.random.default_rng(0)
    p_values = stats.norm.sf(np.abs(random.normal([0, 0, 0, 2, 5], size=(4000, 5)))) * 2
    wrong = np.mean([min(holm(row)[:3]) < 0.05 for row in p_values])
    assert 0.03 < wrong < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)


def test_holm_of_nothing_and_of_no_p_values() -> None:
    assert holm([]) == []
    for wrong in ([0.2, 1.1], [float("nan")]):
        with pytest.raises(DataError, match="p values"):
            holm(wrong)
