"""The most alike identities, against scores of all pairs that are sorted one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsface.errors import DataError
from nsface.metrics import candidates as module
from nsface.metrics import search
from nsface.metrics.candidates import candidates
from nsface.metrics.search import Gallery
from nsface.metrics.similarity import Similarity
from nsface.stored_rows import StoredRows


def by_hand(
    gallery: Gallery, probe: np.ndarray, most: int, similarity: Similarity
) -> list[tuple[int, float, int, int]]:
    """(identity, score, rank, row) of the best, in exact arithmetic where vectors are of small integers."""
    best: dict[int, tuple[float, int]] = {}
    for row, identity in zip(gallery.rows.tolist(), gallery.identities.tolist(), strict=True):
        a, b = np.asarray(gallery.vectors[row], np.float64), probe.astype(np.float64)
        size = np.sqrt((a * a).sum()) * np.sqrt((b * b).sum())
        score = float((a * b).sum() / size) if size else 0.0
        if similarity == "euclidean":
            score = -float(np.sqrt(((a - b) ** 2).sum()))
        if identity not in best or score > best[identity][0]:
            best[identity] = score, row
    found = sorted((-score, identity, row) for identity, (score, row) in best.items())
    return [
        (identity, -falling, sum(other <= falling for other, *_ in found), row)
        for falling, identity, row in found[:most]
    ]


@settings(deadline=None, max_examples=150)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 30),
    st.integers(1, 12),
    st.integers(1, 5),
    st.integers(1, 6),
    st.sampled_from(["cosine", "euclidean"]),
    st.sampled_from([1, 7, 1 << 24]),
    st.sampled_from([1, 4, 4096]),
)
def test_candidates_are_those_of_all_scores(
    seed: int,
    size: int,
    people: int,
    probes: int,
    most: int,
    similarity: Similarity,
    at_once: int,
    entries: int,
) -> None:
    """Vectors of very few values, so that most scores tie; blocks of every size."""
    random = np.random.default_rng(seed)
    vectors = random.integers(-1, 2, (size + 3, 2)).astype(np.float32)
    rows = random.permutation(size + 3)[:size]
    gallery = Gallery(vectors, rows, random.integers(0, people, size))
    asked = random.integers(-1, 2, (probes, 2)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SCORES", at_once)
        patch.setattr(search, "_ENTRIES", entries)
        found = candidates(gallery, asked, most, similarity)
    for number, probe in enumerate(asked):
        expected = by_hand(gallery, probe, most, similarity)
        assert found.identities[number].tolist() == [one[0] for one in expected]
        np.testing.assert_allclose(found.scores[number], [one[1] for one in expected], atol=1e-12)
        assert found.ranks[number].tolist() == [one[2] for one in expected]
        assert found.rows[number].tolist() == [one[3] for one in expected]


def test_neighbours_closer_than_float32_are_told_apart() -> None:
    """Scores whose difference is lost in float32 are ordered as in float64."""
    angles = 1e-3 + 1e-9 * np.random.default_rng(0).permutation(200)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    probe = np.array([[1.0, 0.0]], dtype=np.float32)
    double = vectors.astype(np.float64)
    exact = double[:, 0] / np.sqrt((double**2).sum(axis=1))
    found = candidates(Gallery(vectors, np.arange(200), np.arange(200)), probe, 5)
    assert found.scores[0].tolist() == pytest.approx(sorted(exact, reverse=True)[:5], abs=1e-15)


def test_a_gallery_in_a_file(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(9000, 8)).astype(np.float32)
    np.save(tmp_path / "g.npy", vectors)
    people, probes = random.integers(0, 700, 9000), vectors[::1000] + np.float32(0.01)
    rows, done = np.arange(9000), list[int]()
    stored = candidates(
        Gallery(StoredRows(tmp_path / "g.npy"), rows, people), probes, 3, progress=done.append
    )
    memory = candidates(Gallery(vectors, rows, people), probes, 3)
    for one in ("identities", "scores", "ranks", "rows"):
        assert np.array_equal(getattr(stored, one), getattr(memory, one))
    assert stored.identities[:, 0].tolist() == people[::1000].tolist()
    assert sum(done) == 9000


def test_a_constant_embedding_finds_nobody() -> None:
    gallery = Gallery(np.ones((50, 4), np.float32), np.arange(50), np.arange(50))
    found = candidates(gallery, np.ones((1, 4), np.float32), 3)
    assert found.identities.tolist() == [[0, 1, 2]]
    assert found.ranks.tolist() == [[50, 50, 50]]


def test_probes_of_another_dimension() -> None:
    gallery = Gallery(np.ones((2, 4), np.float32), np.arange(2), np.arange(2))
    with pytest.raises(DataError, match="dimension 4, probes of 3"):
        candidates(gallery, np.ones((1, 3), np.float32))
