"""Calibrated thresholds: against closed forms, brute force, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nsface.errors import DataError
from nsface.metrics.impostors import ListedImpostors
from nsface.metrics.threshold import calibrated, rate_at

SCORES = st.lists(st.integers(-20, 20), min_size=4, max_size=80)


def independent(scores: object) -> ListedImpostors:
    return ListedImpostors(np.asarray(scores, dtype=float), None)


@given(SCORES, st.floats(0.01, 0.9))
def test_it_is_the_lowest_threshold_that_does_not_exceed_the_rate(scores: list[int], rate: float) -> None:
    values = np.array(scores, dtype=float)
    if len(values) * rate < 3:
        with pytest.raises(DataError, match="rule of 3"):
            calibrated(independent(values), rate)
        return
    found = calibrated(independent(values), rate)
    assert (values >= found.threshold).mean() == found.achieved <= rate
    assert found.errors == (values >= found.threshold).sum()
    assert (values >= found.threshold - 1.01e-6).mean() > rate
    assert found.achieved <= found.upper_bound <= 1


@given(st.lists(st.integers(-50, 50), min_size=4, max_size=40), st.sampled_from([1e-3, 1e-7, 1e-12, 1e-17]))
def test_scores_that_are_summed_in_another_order_stay_on_their_side(steps: list[int], unit: float) -> None:
    values = 0.25 + unit * np.array(steps)
    found = calibrated(independent(values), 0.8)
    accepted, refused = values[values >= found.threshold], values[values < found.threshold]
    assert len(accepted) == found.errors
    if len(accepted):
        between = min(1e-6, (accepted.min() - refused.max()) / 2)
        assert found.threshold - refused.max() >= between * (1 - 1e-6) - np.spacing(0.25)


@pytest.mark.parametrize(
    ("n", "rate", "confidence"), [(3000, 0.01, 0.95), (1000, 0.1, 0.9), (300, 0.5, 0.99)]
)
def test_independent_impostors_have_the_limit_of_clopper_and_pearson(
    n: int, rate: float, confidence: float
) -> None:
    found = calibrated(independent(np.arange(n)), rate, confidence)
    level = 2 * confidence - 1  # one side of a two-sided interval
    expected = stats.binomtest(found.errors, n).proportion_ci(level, method="exact").high
    assert found.upper_bound == pytest.approx(expected)


@pytest.mark.parametrize("n", [4, 13, 180, 10_000])
def test_the_rate_that_a_refusal_names_is_resolved(n: int) -> None:
    with pytest.raises(DataError, match=r"cannot resolve a rate of .*; ask for ") as refused:
        calibrated(independent(np.arange(n)), 2 / n)
    rate = float(str(refused.value).split("ask for ")[1].split(",")[0])
    assert 3 / n <= rate * (1 + 1e-9) < 3.4 / n
    assert calibrated(independent(np.arange(n)), rate).errors == 3


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_impossible_rate_is_advised(n: int) -> None:
    with pytest.raises(DataError, match=r"cannot resolve a rate of 0\.9; give more \(rule of 3\)$"):
        calibrated(independent(np.arange(n)), 0.9)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_a_bound_at_even_odds_is_the_limit_of_those_above(rate: float) -> None:
    random, people = np.random.default_rng(0), 40
    left, right = np.triu_indices(people, 1)
    person = random.normal(size=people)
    impostors = ListedImpostors(person[left] + person[right] + random.normal(size=len(left)), (left, right))
    even, above = (calibrated(impostors, rate, confidence) for confidence in (0.5, 0.501))
    assert even.achieved < even.upper_bound < above.upper_bound
    assert even.upper_bound == pytest.approx(above.upper_bound, rel=0.01)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_a_guaranteed_threshold_accepts_as_many_as_its_bound_allows(rate: float) -> None:
    n = 1000
    found = calibrated(independent(np.arange(n)), rate, guarantee=True)

    def limit(errors: int) -> float:
        return float(stats.binomtest(errors, n).proportion_ci(0.9, method="exact").high)

    assert limit(found.errors) <= rate < limit(found.errors + 1)
    assert found.upper_bound == pytest.approx(limit(found.errors))
    assert found.threshold > calibrated(independent(np.arange(n)), rate).threshold


def test_what_cannot_be_guaranteed_names_what_can() -> None:
    scores = np.arange(300)  # with none accepted at most 0.9936 %, and 1.5233 % at 99 %
    assert calibrated(independent(scores), 0.01, guarantee=True).errors == 0
    with pytest.raises(DataError, match=r"even with none accepted; .* ask for a rate above 0\.016"):
        calibrated(independent(scores), 0.01, confidence=0.99, guarantee=True)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        calibrated(independent(np.arange(100)), rate)


def test_shared_people_raise_the_bound() -> None:
    random, people = np.random.default_rng(0), 60
    left, right = np.triu_indices(people, 1)
    person = random.normal(size=people)
    scores = (person[left] + person[right]) / 2 + random.normal(size=len(left)) / np.sqrt(2)
    shared = calibrated(ListedImpostors(scores, (left, right)), 0.05)
    alone = calibrated(independent(scores), 0.05)
    assert shared.threshold == alone.threshold
    assert shared.upper_bound > 1.2 * alone.upper_bound


@pytest.mark.parametrize("effect", [0.0, 0.5])
@pytest.mark.parametrize("guarantee", [False, True])
def test_the_bound_holds_as_often_as_it_says(effect: float, guarantee: bool) -> None:
    random, people, replicates = np.random.default_rng(1), 60, 200
    left, right = np.triu_indices(people, 1)
    held = 0
    for _ in range(replicates):
        person = random.normal(size=people)
        scores = np.sqrt(effect / 2) * (person[left] + person[right])
        scores += np.sqrt(1 - effect) * random.normal(size=len(left))
        found = calibrated(ListedImpostors(scores, (left, right)), 0.1, guarantee=guarantee)
        held += stats.norm.sf(found.threshold) <= (0.1 if guarantee else found.upper_bound)
    assert 0.91 <= held / replicates <= 0.99  # 95 % ± 3 standard errors


def test_the_rate_at_a_given_threshold_has_wilsons_interval() -> None:
    scores = np.arange(1000)
    errors, ends = rate_at(independent(scores), 980)
    expected = stats.binomtest(20, 1000).proportion_ci(0.95, method="wilson")
    assert errors == 20
    assert ends == pytest.approx((expected.low, expected.high))
    errors, (low, high) = rate_at(independent(scores), 2000)
    assert (errors, low) == (0, 0)
    assert high == pytest.approx(stats.binomtest(0, 1000).proportion_ci(0.95, method="wilson").high)
    assert rate_at(independent(scores), -1)[1][1] == 1
