"""Pair scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics.pairwise import paired_cosine_distances, paired_euclidean_distances

from nsface.errors import DataError
from nsface.metrics.similarity import Similarity, pair_scores
from nsface.stored_rows import StoredRows


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(500, 70)).astype(np.float32)


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_agrees_with_scikit_learn_and_is_symmetric(vectors: np.ndarray, similarity: Similarity) -> None:
    left, right = np.random.default_rng(1).integers(0, 500, (2, 20_000))
    scores = pair_scores(vectors, left, right, similarity)
    a, b = vectors[left].astype(float), vectors[right].astype(float)
    expected = (
        1 - paired_cosine_distances(a, b) if similarity == "cosine" else -paired_euclidean_distances(a, b)
    )
    np.testing.assert_allclose(scores, expected, atol=1e-12)
    np.testing.assert_array_equal(scores, pair_scores(vectors, right, left, similarity))


def test_equal_vectors_score_equally_to_the_last_bit(vectors: np.ndarray) -> None:
    constant = np.repeat(vectors[:1], 500, axis=0)
    left, right = np.random.default_rng(1).integers(0, 500, (2, 20_000))
    assert len(np.unique(pair_scores(constant, left, right))) == 1


def test_what_is_not_a_number_stays_so(vectors: np.ndarray) -> None:
    vectors[3, 5] = np.nan
    assert np.isnan(pair_scores(vectors, np.array([3, 0]), np.array([4, 3]))).all()


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_rows_of_a_file_score_as_the_array_does(
    vectors: np.ndarray, tmp_path: Path, similarity: Similarity
) -> None:
    np.save(tmp_path / "v.npy", vectors)
    left, right = np.random.default_rng(1).integers(0, len(vectors), (2, 3000))
    scores = pair_scores(StoredRows(tmp_path / "v.npy"), left, right, similarity)
    np.testing.assert_array_equal(scores, pair_scores(vectors, left, right, similarity))


def test_zero_vectors_score_nothing() -> None:
    vectors = np.array([[0, 0], [3, 4]], dtype=np.float32)
    assert pair_scores(vectors, np.array([0, 0, 1]), np.array([0, 1, 1])).tolist() == [0, 0, 1]


def test_unknown_similarity_is_refused(vectors: np.ndarray) -> None:
    with pytest.raises(DataError, match="choose cosine or euclidean"):
        pair_scores(vectors, np.array([0]), np.array([1]), "dot")  # type: ignore[arg-type]
