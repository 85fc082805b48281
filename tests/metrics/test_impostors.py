"""The variance of the rate of accepted impostors, against sums over all pairs of pairs."""

from __future__ import annotations

import numpy as np
import pytest

from nsface.errors import DataError
from nsface.metrics.impostors import AllImpostors, GalleryImpostors, Impostors, ListedImpostors
from nsface.metrics.similarity import pair_scores


def products(left: np.ndarray, right: np.ndarray, accepted: np.ndarray) -> float:
    """Σ e_p e_q over ordered pairs of pairs that share a person."""
    residuals = accepted - accepted.mean()
    total = 0.0
    for p in range(len(left)):
        shares = (left == left[p]) | (right == right[p]) | (left == right[p]) | (right == left[p])
        total += float(residuals[p] * residuals[shares].sum())
    return total


def small_sample(left: np.ndarray, right: np.ndarray) -> float:
    """G / (G − 1), G the effective number of people."""
    degrees = np.unique(np.concatenate([left, right]), return_counts=True)[1]
    effective = degrees.sum() ** 2 / (degrees**2).sum()
    return float(effective / (effective - 1))


def random_vectors(random: np.random.Generator, people: int) -> tuple[np.ndarray, np.ndarray]:
    identities = np.repeat(np.arange(people), random.integers(1, 4, people))
    own = random.normal(size=(people, 6))[identities]
    vectors = own + random.normal(size=own.shape) + 1
    order = random.permutation(len(identities))
    return vectors[order].astype(np.float32), 10 * identities[order]


@pytest.mark.parametrize("seed", range(8))
def test_all_pairs_have_the_variance_of_the_same_pairs_in_a_list(seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors, identities = random_vectors(random, 12)
    i, j = np.triu_indices(len(identities), 1)
    two = identities[i] != identities[j]
    i, j = i[two], j[two]
    scores = pair_scores(vectors, i, j)
    every = AllImpostors(vectors, identities)
    listed = ListedImpostors(scores, (identities[i], identities[j]))
    assert (every.trials, every.people) == (len(scores), 12) == (listed.trials, listed.people)
    for errors in (1, 4, 30, len(scores) // 2, len(scores) - 1):
        accepted = scores >= np.sort(scores)[-errors]
        expected = max(products(identities[i], identities[j], accepted), errors * (1 - errors / len(scores)))
        expected *= small_sample(identities[i], identities[j]) / len(scores) ** 2
        assert listed.spread(errors)[0] == pytest.approx(expected)
        assert every.spread(errors) == pytest.approx(listed.spread(errors))
        assert every.limit(errors) == listed.limit(errors) == (np.sort(scores)[-errors - 1], errors)


@pytest.mark.parametrize("seed", range(4))
def test_a_probe_meets_everybody_in_the_gallery(seed: int) -> None:
    random = np.random.default_rng(seed)
    strangers, size = np.repeat(np.arange(9), random.integers(1, 4, 9)), 5
    scores = random.normal(size=(len(strangers), size)) + random.normal(size=size)
    found = GalleryImpostors(scores.max(axis=1), strangers, scores.argmax(axis=1), size)
    for errors in (1, 3, 7):
        limit = np.sort(scores.max(axis=1))[-errors]
        accepted = np.zeros_like(scores, dtype=bool)
        accepted[np.arange(len(scores)), scores.argmax(axis=1)] = scores.max(axis=1) >= limit
        left, right = np.repeat(strangers, size), 100 + np.tile(np.arange(size), len(strangers))
        independent = errors * (1 - errors / len(scores))
        expected = max(products(left, right, accepted.ravel()), independent)
        expected *= small_sample(left, right) / len(scores) ** 2
        assert found.spread(errors)[0] == pytest.approx(expected)


def test_ties_at_the_limit_are_refused_together() -> None:
    listed = ListedImpostors([0.9, 0.5, 0.5, 0.5, 0.1], None)
    assert listed.limit(2) == (0.5, 1)


def test_independent_impostors_have_the_binomial_variance() -> None:
    variance, freedom = ListedImpostors(np.arange(100), None).spread(10)
    assert variance == pytest.approx(0.1 * 0.9 / 100)
    assert freedom == np.inf


def test_too_few_are_refused() -> None:
    with pytest.raises(DataError, match="no impostors"):
        ListedImpostors([], None)
    with pytest.raises(DataError, match="at least three"):
        AllImpostors(np.eye(2, dtype=np.float32), np.array([0, 1]))
    nobody = np.empty(0, dtype=np.int64)
    with pytest.raises(DataError, match="no impostors"):
        GalleryImpostors([], nobody, nobody, 3)


def test_people_who_make_all_errors_leave_few_degrees_of_freedom() -> None:
    people = 40
    left, right = np.triu_indices(people, 1)
    wolf: Impostors = ListedImpostors((left == 0) + 0.001 * right, (left, right))
    calm: Impostors = ListedImpostors(np.random.default_rng(0).normal(size=len(left)), (left, right))
    assert wolf.spread(39)[0] > 5 * calm.spread(39)[0]
    assert wolf.spread(39)[1] < 3
