"""Searching, Rank-k and DIR at FAR, against loops written from the definitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsface.errors import DataError
from nsface.metrics import search
from nsface.metrics.identification import (
    OpenSet,
    accepted,
    bootstrap_dir,
    cmc,
    dir_at_far,
    dir_curve,
    rank_rate,
)
from nsface.metrics.search import Found, Gallery, find, highest
from nsface.metrics.similarity import Similarity, cosines
from nsface.stored_rows import StoredRows

INTS = st.integers(0, 4).map(float)


def exact(a: np.ndarray, b: np.ndarray, similarity: str = "cosine") -> float:
    """From integers, so that equal cosines are equal floats where lengths are powers of two apart."""
    if similarity == "euclidean":
        return -float(np.sqrt(((a - b) ** 2).sum()))
    product = float(np.sqrt(a @ a) * np.sqrt(b @ b))
    return float(a @ b) / product if product else 0.0


def oracle(
    gallery: np.ndarray, ids: np.ndarray, probes: np.ndarray, probe_ids: np.ndarray, similarity: str
) -> list[tuple[Any, ...]]:
    """Best mate score and pessimistic rank of every probe, one comparison at a time."""
    answers = []
    for probe, person in zip(probes, probe_ids, strict=True):
        best: dict[int, float] = {}
        for vector, owner in zip(gallery, ids, strict=True):
            best[owner] = max(best.get(owner, -np.inf), exact(vector, probe, similarity))
        mate = best.pop(person)
        answers.append((mate, 1 + sum(score >= mate for score in best.values())))
    return answers


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
@pytest.mark.parametrize("several", [False, True])
def test_find_matches_loops_with_many_ties(
    several: bool, similarity: Similarity, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(several)
    for _ in range(120):
        monkeypatch.setattr(search, "_PROBES", int(random.integers(1, 6)))
        monkeypatch.setattr(search, "_ENTRIES", int(random.integers(1, 9)))
        size, people = int(random.integers(1, 20)), int(random.integers(1, 8))
        ids = random.integers(0, people, size) if several else random.permutation(size)
        gallery = random.integers(-1, 2, (size, 4)).astype(np.float32)
        probes = random.integers(-1, 2, (12, 4)).astype(np.float32)
        probe_ids = random.choice(ids, 12)
        rows = random.permutation(size)
        scattered = np.empty_like(gallery)
        scattered[rows] = gallery
        found = find(Gallery(scattered, rows, ids), probes, probe_ids, similarity=similarity)
        expected = oracle(gallery, ids, probes, probe_ids, similarity)
        assert found.rank.tolist() == [rank for _, rank in expected]
        np.testing.assert_allclose(found.score, [score for score, _ in expected], atol=1e-15)
        top, who = highest(Gallery(scattered, rows, ids), probes, similarity=similarity)
        best = [max(exact(g, p, similarity) for g in gallery) for p in probes]
        np.testing.assert_allclose(top, best, atol=1e-15)
        for probe, score, identity in zip(probes, best, who, strict=True):
            own = [exact(g, probe, similarity) for g in gallery[ids == identity]]
            assert max(own) == pytest.approx(score, abs=1e-6)


def test_near_ties_beyond_float32_are_decided_exactly() -> None:
    random = np.random.default_rng(3)
    base = random.normal(size=(1, 64)).astype(np.float32)
    gallery = np.repeat(base, 300, axis=0)
    noise = 1e-6 * random.normal(size=300).astype(np.float32)
    gallery[np.arange(300), np.arange(300) % 64] += noise
    probes = (base + 0.1 * random.normal(size=(50, 64))).astype(np.float32)
    ids = np.arange(300)
    g, p = gallery.astype(np.longdouble), probes.astype(np.longdouble)
    scores = (p @ g.T) / np.sqrt((p * p).sum(1))[:, None] / np.sqrt((g * g).sum(1))
    found = find(Gallery(gallery, ids, ids), probes, ids[:50])
    own = scores[np.arange(50), np.arange(50)]
    # 1e-16 apart or less is a tie in float64, which is pessimistic.
    assert (found.rank >= (scores > own[:, None] + 1e-15).sum(1) + 1).all()
    assert (found.rank <= (scores > own[:, None] - 1e-15).sum(1)).all()
    assert (find(Gallery(np.repeat(base, 300, 0), ids, ids), probes, ids[:50]).rank == 300).all()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_distances_near_each_other_are_decided_exactly(scale: float) -> None:
    random = np.random.default_rng(4)
    base = scale * random.normal(size=(1, 64))
    gallery = (base + 1e-6 * scale * random.normal(size=(300, 64))).astype(np.float32)
    gallery[100:110] = gallery[100]
    probes = (base + 0.1 * scale * random.normal(size=(50, 64))).astype(np.float32)
    ids = np.arange(300)
    mates = np.arange(80, 130)
    scores = -np.sqrt(((gallery[None].astype(float) - probes[:, None]) ** 2).sum(axis=2))
    found = find(Gallery(gallery, ids, ids), probes, mates, similarity="euclidean")
    own = scores[np.arange(50), mates]
    room = 1e-13 * np.abs(own)[:, None]
    assert (found.rank >= (scores > own[:, None] + room).sum(1) + 1).all()
    assert (found.rank <= (scores > own[:, None] - room).sum(1)).all()
    assert (found.rank[20:30] >= 10).all(), "equal entries tie, and a tie is pessimistic"
    top, _ = highest(Gallery(gallery, ids, ids), probes, similarity="euclidean")
    np.testing.assert_allclose(top, scores.max(axis=1), rtol=1e-12)


@pytest.mark.parametrize("dimension", [3, 128, 513])
def test_constant_embeddings_are_never_found(dimension: int) -> None:
    constant = np.full((700, dimension), 0.37, dtype=np.float32)
    found = find(Gallery(constant, np.arange(700), np.arange(700)), constant[:99], np.arange(99))
    assert rank_rate(found.rank, 1) == 0
    assert (found.rank == 700).all()
    impostors, _ = highest(Gallery(constant, np.arange(700), np.arange(700)), constant[:50])
    assert dir_at_far(OpenSet(found, impostors), 0.5).dir == 0


def test_galleries_in_a_file_give_the_same(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    vectors = random.normal(size=(3000, 16)).astype(np.float32)
    np.save(tmp_path / "gallery.npy", vectors)
    stored = StoredRows(tmp_path / "gallery.npy")
    rows = np.arange(3000)
    done: list[int] = []
    probes = random.normal(size=(20, 16)).astype(np.float32)
    first = find(Gallery(vectors, rows, rows), probes, rows[:20])
    second = find(Gallery(stored, rows, rows), probes, rows[:20], done.append)
    np.testing.assert_array_equal(first.rank, second.rank)
    np.testing.assert_array_equal(first.score, second.score)
    assert sum(done) == 3000


def test_probe_without_mate_is_refused() -> None:
    vectors = np.eye(3, dtype=np.float32)
    with pytest.raises(DataError, match="1 probes have no mate"):
        find(Gallery(vectors, np.arange(3), np.arange(3)), vectors, np.array([0, 1, 7]))


def open_set(genuine: list[tuple[float, int]], impostors: list[float]) -> OpenSet:
    score, rank = zip(*genuine, strict=True)
    return OpenSet(Found(np.array(score), np.array(rank)), np.array(impostors))


@settings(max_examples=150)
@given(
    st.lists(st.tuples(INTS, st.integers(1, 3)), min_size=1, max_size=12),
    st.lists(INTS, min_size=1, max_size=12),
    st.sampled_from([0.0, 0.01, 0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 1.0]),
    st.integers(1, 3),
)
def test_dir_never_exceeds_far_and_loses_nothing(
    genuine: list[tuple[float, int]], impostors: list[float], far: float, rank: int
) -> None:
    best = 0.0
    for t in [*(s for s, _ in genuine), *impostors, 99.0]:
        if sum(s >= t for s in impostors) / len(impostors) <= far:
            best = max(best, sum(s >= t and r <= rank for s, r in genuine) / len(genuine))
    point = dir_at_far(open_set(genuine, impostors), far, rank, replicates=2)
    assert point.dir == best
    assert point.achieved_far <= far
    assert point.achieved_far == sum(s >= point.threshold for s in impostors) / len(impostors)
    fars, dirs = dir_curve(open_set(genuine, impostors), rank)
    assert dirs[fars <= far].max() == pytest.approx(best)


def test_accepted_decides_as_division_does() -> None:
    for impostors in (1, 3, 7, 10, 596, 9494):
        for count in range(0, impostors + 1, max(1, impostors // 50)):
            assert accepted(impostors, count / impostors) == count


def test_known_dir_and_cmc() -> None:
    case = open_set([(5, 1), (4, 1), (3, 2), (1, 1)], [4.0, 3.0, 2.0, 2.0])
    assert dir_at_far(case, 0.25).dir == 0.5  # threshold just above 3: 5 and 4 pass, and one impostor of four
    assert dir_at_far(case, 0.25, rank=2).achieved_far == 0.25
    assert cmc(case.genuine.rank, 3).tolist() == [0.75, 1, 1]
    assert rank_rate(case.genuine.rank, 1) == 0.75


def test_bootstrap_is_paired_repeatable_and_covers() -> None:
    random = np.random.default_rng(0)
    case = open_set([(s, 1) for s in random.normal(2, 1, 300)], list(random.normal(0, 1, 2000)))
    point = dir_at_far(case, 0.01)
    low, high = point.confidence_interval
    assert low < point.dir < high
    assert dir_at_far(case, 0.01) == point
    same = bootstrap_dir([case, case], 0.01, replicates=50)
    np.testing.assert_array_equal(same[0], same[1])
    with pytest.raises(DataError, match="same probes"):
        bootstrap_dir([case, open_set([(1, 1)], [0.0])], 0.01)
    with pytest.raises(DataError, match="no impostors"):
        dir_at_far(open_set([(1, 1)], []), 0.01)


def loop_bootstrap(case: OpenSet, far: float, replicates: int, seed: int) -> list[float]:
    """People drawn one by one, with all their probes, and DIR measured anew on every sample."""
    random = np.random.default_rng(seed)
    values = []
    groups = [
        np.unique(np.arange(size) if people is None else people, return_inverse=True)[1]
        for people, size in (
            (case.genuine_people, len(case.genuine.score)),
            (case.impostor_people, len(case.impostors)),
        )
    ]
    for _ in range(replicates):
        known, strangers = (
            np.concatenate(
                [np.flatnonzero(group == p) for p in random.integers(0, group.max() + 1, group.max() + 1)]
            )
            for group in groups
        )
        found = Found(case.genuine.score[known], case.genuine.rank[known])
        descending = np.sort(case.impostors[strangers])[::-1]
        allowed = accepted(len(descending), far)
        limit = descending[allowed] if allowed < len(descending) else -np.inf
        values.append(((found.score > limit) & (found.rank == 1)).mean())
    return values


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("far", [0.0, 0.02, 0.3, 1.0])
def test_bootstrap_has_the_law_of_drawing_people_one_by_one(far: float, clustered: bool) -> None:
    random = np.random.default_rng(5)
    people = (np.repeat(np.arange(20), 3), np.repeat(np.arange(40), 5)) if clustered else (None, None)
    scores = [np.repeat(random.normal(mean, 1, size), each) for mean, size, each in ((2, 20, 3), (0, 40, 5))]
    noise = [random.normal(0, 0.3, len(values)) for values in scores]
    found = Found(scores[0] + noise[0], random.integers(1, 3, 60))
    case = OpenSet(found, scores[1] + noise[1], *people)
    slow = loop_bootstrap(case, far, 2000, 1)
    fast = bootstrap_dir([case], far, replicates=2000)[0]
    assert fast.mean() == pytest.approx(np.mean(slow), abs=0.015)
    assert fast.std() == pytest.approx(np.std(slow), rel=0.1, abs=0.002)


def test_dir_interval_near_the_ends_is_no_point() -> None:
    impostors = list(np.random.default_rng(0).normal(0, 1, 500))
    low, high = dir_at_far(open_set([(99, 1)] * 200, impostors), 0.01).confidence_interval
    assert (low, high) == pytest.approx((1 / (1 + 1.972**2 / 200), 1), abs=1e-4)  # Wilson's, t(199)
    low, high = dir_at_far(open_set([(-99, 1)] * 200, impostors), 0.01).confidence_interval
    assert low == 0
    assert 0.01 < high < 0.03
    assert dir_at_far(open_set([(9, 1)], impostors), 0.01).confidence_interval == (0, 1)


@given(st.integers(0, 2**32 - 1))
def test_an_optimistic_rank_counts_only_those_above(seed: int) -> None:
    random = np.random.default_rng(seed)
    gallery, probes = (random.integers(-1, 2, (size, 3)).astype(np.float32) for size in (12, 9))
    identities, wanted = np.repeat(np.arange(6), 2), random.integers(0, 6, 9)
    found = find(Gallery(gallery, np.arange(12), identities), probes, wanted, optimistic=True)
    best = np.array(
        [
            [max(cosines(probe[None], one[None])[0] for one in gallery[2 * i : 2 * i + 2]) for i in range(6)]
            for probe in probes
        ]
    )
    assert found.rank.tolist() == [1 + int((row > row[i]).sum()) for row, i in zip(best, wanted, strict=True)]
