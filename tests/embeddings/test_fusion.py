"""Fused embeddings: cosines are means of cosines, and names must agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity

from nsface.embeddings import Embeddings
from nsface.embeddings.fusion import fuse
from nsface.errors import DataError


def system(names: list[str], size: int, seed: int, **meta: object) -> Embeddings:
    vectors = np.random.default_rng(seed).normal(size=(len(names), size)).astype(np.float32)
    return Embeddings(names, vectors, dict(meta), f"system {seed}")


@given(st.integers(2, 12), st.lists(st.integers(1, 9), min_size=2, max_size=4), st.integers(0, 99))
def test_the_cosine_is_the_mean_of_the_systems_cosines(count: int, sizes: list[int], seed: int) -> None:
    names = [f"p/{i}.jpg" for i in range(count)]
    systems = [system(names, size, seed + k) for k, size in enumerate(sizes)]
    random = np.random.default_rng(seed)
    expected = np.mean([cosine_similarity(s.vectors) for s in systems], axis=0)
    shuffled = [systems[0]]
    for other in systems[1:]:
        order = random.permutation(count)
        endings = [names[i].removesuffix(".jpg") + random.choice(["", ".png", ".jpg"]) for i in order]
        shuffled.append(Embeddings(endings, other.vectors[order], {}, other.source))
    fused = fuse(shuffled)
    assert fused.names == names
    assert fused.vectors.shape == (count, sum(sizes))
    np.testing.assert_allclose(cosine_similarity(fused.vectors), expected, atol=1e-5)


def test_differences_are_counted_and_named_on_both_sides() -> None:
    names = [f"p/{i}.jpg" for i in range(9)]
    with pytest.raises(DataError) as error:
        fuse([system(names, 4, 1), system([*names[2:], "q/x.jpg"], 4, 2)])
    message = str(error.value)
    assert "2 names only in system 1: p/0.jpg, p/1.jpg;" in message
    assert "1 names only in system 2: q/x.jpg;" in message
    with pytest.raises(DataError, match="only by their extension"):
        fuse([system(["a/1.jpg"], 4, 1), system(["a/1.jpg", "a/1.png"], 4, 2)])
    with pytest.raises(DataError, match="two or more"):
        fuse([system(names, 4, 1)])


def test_meta() -> None:
    one = system(["a", "b"], 3, 1, flip="sum", model="m1", pooling="mean", frames_per_template=[4, 7])
    two = Embeddings(["b", "a"], one.vectors, one.meta | {"frames_per_template": [7, 4], "model": "m2"})
    fused = fuse([one, two])
    assert [part["model"] for part in fused.meta["fused"]] == ["m1", "m2"]
    assert (fused.meta["flip"], fused.meta["pooling"], fused.meta["frames_per_template"]) == (
        "sum",
        "mean",
        [4, 7],
    )
    other = fuse([one, Embeddings(two.names, two.vectors, {"flip": "none"})])
    assert other.meta["flip"] is None
    assert "frames_per_template" not in other.meta
