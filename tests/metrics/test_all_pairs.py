"""TAR over all pairs of a set of images, against the ROC of every pair written out."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from nsface.errors import DataError
from nsface.metrics import all_pairs
from nsface.metrics.all_pairs import genuine_pairs, tar_over_all_pairs
from nsface.metrics.roc import roc, tar_at_far
from nsface.metrics.similarity import pair_scores

FARS = [0.0, 1e-3, 0.02, 0.1, 1 / 3, 1.0]


def check(vectors: np.ndarray, identities: np.ndarray) -> None:
    left, right = np.array(list(combinations(range(len(vectors)), 2))).T
    same = identities[left] == identities[right]
    scores = pair_scores(vectors, left, right)
    curve = roc(scores, same)
    for far, point in zip(FARS, tar_over_all_pairs(vectors, identities, FARS), strict=True):
        expected = tar_at_far(curve, far)
        assert (point.tar, point.achieved_far, point.impostors) == (
            expected.tar,
            expected.achieved_far,
            expected.impostors,
        )
        assert np.mean(scores[same] >= point.threshold) == point.tar
        assert np.mean(scores[~same] >= point.threshold) == point.achieved_far


@pytest.mark.parametrize("integers", [True, False])
def test_agrees_with_the_whole_roc(integers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(integers)
    for _ in range(60):
        monkeypatch.setattr(all_pairs, "_ROWS", int(random.integers(1, 30)))
        count, dimension = int(random.integers(4, 60)), int(random.integers(2, 20))
        vectors = (
            random.integers(-1, 2, (count, dimension)) if integers else random.normal(size=(count, dimension))
        )
        identities = random.integers(0, count // 2, count)
        identities[:3] = [0, 0, 1]
        check(vectors.astype(np.float32), identities)


def test_near_ties_beyond_float32_are_decided_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_pairs, "_ROWS", 16)
    random = np.random.default_rng(3)
    vectors = (random.normal(size=64) + 1e-6 * random.normal(size=(90, 64))).astype(np.float32)
    check(vectors, np.arange(90) // 3)


@pytest.mark.parametrize("dimension", [3, 128, 513])
def test_constant_embeddings_are_never_accepted(dimension: int) -> None:
    constant = np.full((300, dimension), 0.37, dtype=np.float32)
    (point,) = tar_over_all_pairs(constant, np.arange(300) // 4, [0.5])
    assert (point.tar, point.achieved_far) == (0, 0)


def test_genuine_pairs() -> None:
    left, right = genuine_pairs(np.array([5, 2, 5, 7, 5]))
    assert {frozenset(pair) for pair in zip(left.tolist(), right.tolist(), strict=True)} == {
        frozenset(pair) for pair in ((0, 2), (0, 4), (2, 4))
    }


@pytest.mark.parametrize("identities", [[1, 1, 1], [1, 2, 3]])
def test_one_kind_of_pair_is_refused(identities: list[int]) -> None:
    with pytest.raises(DataError, match="of one kind"):
        tar_over_all_pairs(np.eye(3, dtype=np.float32), np.array(identities), [0.1])
