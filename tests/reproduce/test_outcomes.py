"""The tests between arms, by SciPy and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from nsface.reproduce.outcomes import Outcome, mean_and_std
from tests.reproduce.small import made, outcome

ERRORS = {
    "softmax": [0.1310, 0.1295, 0.1322, 0.1301, 0.1316],
    "noisy-0.1": [0.1262, 0.1251, 0.1270, 0.1259, 0.1266],  # less, and nearly by the same
    "noisy-0.5": [0.1305, 0.1303, 0.1316, 0.1309, 0.1308],
    "noisy-1": [0.1410, 0.1399, 0.1433, 0.1395, 0.1420],
}


def outcomes(errors: dict[str, list[float]]) -> list[Outcome]:
    return [outcome(arm, seed, error) for arm, given in errors.items() for seed, error in enumerate(given)]


def test_differences_intervals_and_p_values_are_scipys() -> None:
    found = made(outcomes(ERRORS)).tests
    assert list(found) == ["noisy-0.1", "noisy-0.5", "noisy-1"]
    for arm, test in found.items():
        expected = stats.ttest_rel(ERRORS[arm], ERRORS["softmax"])
        assert test.found is not None
        assert test.found.interval is not None
        difference = np.mean(ERRORS[arm]) - np.mean(ERRORS["softmax"])
        assert test.found.difference == pytest.approx(difference)
        assert test.found.p == pytest.approx(expected.pvalue)
        interval = expected.confidence_interval(0.95)
        assert test.found.interval == pytest.approx((interval.low, interval.high))


def test_p_is_corrected_by_holm_for_all_arms() -> None:
    found = made(outcomes(ERRORS)).tests
    raw = {arm: stats.ttest_rel(ERRORS[arm], ERRORS["softmax"]).pvalue for arm in found}
    least, middle, most = sorted(raw, key=lambda arm: raw[arm])
    first = 3 * raw[least]
    second = max(first, 2 * raw[middle])
    expected = {least: first, middle: second, most: max(second, raw[most])}
    assert {arm: test.p_holm for arm, test in found.items()} == pytest.approx(expected)


def test_less_error_is_better() -> None:
    found = made(outcomes(ERRORS)).tests
    verdicts = {arm: test.verdict for arm, test in found.items()}
    assert verdicts == {"noisy-0.1": "better", "noisy-0.5": "chance", "noisy-1": "worse"}


def test_only_seeds_that_both_have_ended_with_are_paired() -> None:
    given = outcomes(ERRORS)
    fewer = [one for one in given if (one.arm, one.seed) not in {("noisy-0.1", 0), ("softmax", 4)}]
    test = made(fewer).tests["noisy-0.1"]
    expected = stats.ttest_rel(ERRORS["noisy-0.1"][1:4], ERRORS["softmax"][1:4])
    assert test.seeds == 3
    assert test.found is not None
    assert test.found.p == pytest.approx(expected.pvalue)


def test_two_seeds_tell_nothing_and_equal_differences_have_no_spread() -> None:
    two = made(outcomes({arm: errors[:2] for arm, errors in ERRORS.items()}))
    assert {test.verdict for test in two.tests.values()} == {"too few seeds"}
    alike = {"softmax": [0.5, 0.25, 0.125], "free": [0.75, 0.5, 0.375]}
    assert made(outcomes(alike)).tests["free"].verdict == "no spread"
    one = made(outcomes({"softmax": [0.5], "free": [0.4]}))
    assert one.tests["free"].found is None


def test_a_training_that_diverged_is_in_no_mean_and_no_test() -> None:
    given = [
        replace(one, measures=None) if (one.arm, one.seed) == ("noisy-1", 2) else one
        for one in outcomes(ERRORS)
    ]
    found = made(given)
    assert list(found.by_seed("noisy-1")) == [0, 1, 3, 4]
    content = found.to_json()["arms"]["noisy-1"]
    assert content["diverged"] == [2]
    assert content["error"]["mean"] == pytest.approx(np.mean([0.1410, 0.1399, 0.1395, 0.1420]))
    assert content["error"]["std"] == pytest.approx(np.std([0.1410, 0.1399, 0.1395, 0.1420], ddof=1))
    assert found.tests["noisy-1"].seeds == 4


def test_the_arms_of_noisy_activations_are_tested_against_theirs() -> None:
    found = made(outcomes({"softmax": [0.3, 0.2, 0.4], "tanh": [0.5, 0.6, 0.5], "nan-tanh": [0.4, 0.5, 0.3]}))
    assert {arm: test.other for arm, test in found.tests.items()} == {"tanh": "softmax", "nan-tanh": "tanh"}
    assert made(outcomes({"free": [0.3, 0.2, 0.4]})).tests == {}


def test_means_in_per_cent() -> None:
    assert mean_and_std({0: 0.0043, 1: 0.0045}) == "0.44 ± 0.01"
    assert mean_and_std({0: 0.0043}) == "0.43"
    assert mean_and_std({}) == "–"
