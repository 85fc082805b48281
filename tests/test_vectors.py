"""Norms of vectors."""

from __future__ import annotations

import numpy as np
import pytest

from nsface.vectors import CHUNK_ELEMENTS, lengths, unit


@pytest.mark.parametrize("dimension", [1, 70, CHUNK_ELEMENTS // 100])  # of the last, 100 rows are a chunk
def test_lengths_agree_with_numpy_over_chunks(dimension: int) -> None:
    vectors = np.random.default_rng(0).normal(size=(250, dimension)).astype(np.float32)
    expected = np.linalg.norm(vectors.astype(np.float64), axis=1)
    np.testing.assert_allclose(lengths(vectors), expected, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(unit(vectors), axis=1), 1, rtol=1e-6)


def test_a_vector_of_zeros_stays_zeros() -> None:
    made = unit(np.array([[0, 0], [3, 4]], dtype=np.float32))
    np.testing.assert_allclose(made, np.array([[0, 0], [0.6, 0.8]]))
    assert made.dtype == np.float32
