"""Centring and PCA never see what they are tested on."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from nsface.embeddings import Embeddings
from nsface.errors import DataError
from nsface.protocols.identification import Trial, transformed
from nsface.protocols.identification_lists import named
from nsface.protocols.transforms import Transform
from nsface.protocols.trials import Trials
from nsface.protocols.verification import verify


def listed() -> tuple[Trials, Embeddings]:
    """Four folds of ten pairs, each fold with images of its own."""
    random = np.random.default_rng(0)
    names = [f"{i // 2}/{i % 2}.jpg" for i in range(80)]
    vectors = (np.repeat(random.normal(size=(40, 6)), 2, axis=0) + random.normal(size=(80, 6)) + 2).astype(
        np.float32
    )
    place = np.arange(40)
    same = place % 2 == 0
    left = [f"{i}/0.jpg" for i in range(40)]
    right = [f"{i if same[i] else i - 1}/1.jpg" for i in range(40)]
    return Trials(left, right, same, place // 10, "list"), Embeddings(names, vectors)


@pytest.mark.parametrize("transform", [Transform(center=True), Transform(pca=3)])
def test_transforms_are_fitted_without_the_held_out_fold(transform: Transform) -> None:
    trials, embeddings = listed()
    before = verify("x", embeddings, trials, transform=transform)
    moved = np.array(embeddings.vectors)
    moved[:20] += 100 * np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32)  # images of fold 0
    after = verify("x", Embeddings(embeddings.names, moved), trials, transform=transform)
    assert before.by_fold is not None
    assert after.by_fold is not None
    others = trials.fold > 0
    np.testing.assert_array_equal(
        before.by_fold[0, others], after.by_fold[0, others]
    )  # fitted without fold 0
    assert before.folds[0].threshold == after.folds[0].threshold
    assert not np.allclose(before.by_fold[1, others], after.by_fold[1, others], atol=1e-3)


def test_fitted_on_other_images() -> None:
    random = np.random.default_rng(0)
    training, vectors = (random.normal(1, 1, size=(n, 5)).astype(np.float32) for n in (30, 12))
    centred = Transform(center=True).fitted_on(training, vectors)
    np.testing.assert_allclose(centred, vectors - training.mean(axis=0), atol=1e-6)
    expected = PCA(2, svd_solver="full").fit(training).transform(vectors)
    np.testing.assert_allclose(abs(Transform(pca=2).fitted_on(training, vectors)), abs(expected), atol=1e-4)
    with pytest.raises(DataError, match="choose 5 or fewer"):
        Transform(pca=6).fitted_on(training, vectors)
    with pytest.raises(DataError, match="size 5 and others of size 4"):
        Transform(center=True).fitted_on(training[:, :4], vectors)


def test_gallery_and_probes_are_not_to_be_fitted_on() -> None:
    _, embeddings = listed()
    gallery, probes = named(["0/0.jpg", "1/0.jpg"]), named(["0/1.jpg", "1/1.jpg"])
    trial = Trial("t", (gallery, probes), None)
    for name in ("1/1.png", "0/0.jpg"):
        leak = Embeddings([name, "9/0.jpg"], embeddings.vectors[:2])
        with pytest.raises(
            DataError, match=f"1 of its images are in the gallery or among the probes: {name}"
        ):
            transformed(embeddings, Transform(center=True), leak, [trial])
    others = Embeddings(["1/9.jpg", "9/0.jpg"], embeddings.vectors[:2])
    made, known = transformed(embeddings, Transform(center=True), others, [trial])
    assert known == ["1"]
    np.testing.assert_allclose(
        made.vectors, embeddings.vectors - embeddings.vectors[:2].mean(axis=0), atol=1e-6
    )
