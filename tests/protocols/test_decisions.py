"""Thresholds and galleries of single embeddings: against scores computed by hand, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, NsfaceError
from nsface.protocols.decisions import People, Rule, read_rule

META = {"model_digest": "a" * 64, "flip": "sum", "preprocessing": {"height": 112}, "precision": "float32"}
THRESHOLD = {
    "protocol": "threshold", "threshold": 0.25, "similarity": "cosine", "transform": "none", "kind": "fmr",
    "target": 0.01, "guaranteed": False, "achieved": 0.01, "upper_bound": 0.02, "confidence": 0.95,
    "method": "m", "impostors": 4000, "errors": 40, "people": 90, **META,
}  # fmt: skip
FPIR = {"kind": "fpir", "gallery_size": 3}


def embeddings(*names: str, **meta: Any) -> Embeddings:
    vectors = np.random.default_rng(0).normal(size=(len(names), 8)).astype(np.float32)
    return Embeddings(list(names), vectors, META | meta, "faces.npz")


def written(folder: Path, **values: Any) -> Path:
    path = folder / "t.json"
    path.write_text(json.dumps(THRESHOLD | values))
    return path


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 4), st.integers(1, 30))
def test_identification_is_what_a_loop_over_all_images_finds(
    seed: int, images: int, probes: int, top: int
) -> None:
    random = np.random.default_rng(seed)
    names = [f"P{random.integers(6)}/{i}.jpg" for i in range(images)]
    vectors = random.normal(size=(images, 4)).astype(np.float32)
    asked = random.normal(size=(probes, 4)).astype(np.float32)
    found = People(Embeddings(names, vectors)).identify(
        [f"x{i}" for i in range(probes)], asked, Rule(0.4), top
    )
    for probe, one in zip(asked.astype(np.float64), found, strict=True):
        best: dict[str, float] = {}
        for name, vector in zip(names, vectors.astype(np.float64), strict=True):
            score = vector @ probe / np.linalg.norm(vector) / np.linalg.norm(probe)
            best[name[:2]] = max(best.get(name[:2], -2), score)
        ordered = sorted(best.items(), key=lambda item: -item[1])[:top]
        assert [candidate.person for candidate in one.candidates] == [person for person, _ in ordered]
        assert [candidate.score for candidate in one.candidates] == pytest.approx([x for _, x in ordered])
        assert [candidate.rank for candidate in one.candidates] == list(range(1, len(ordered) + 1))
        assert all(candidate.image.startswith(candidate.person) for candidate in one.candidates)
        assert one.identified == (ordered[0][0] if ordered[0][1] >= 0.4 else None)


def test_people_are_folders_or_images_where_there_are_none() -> None:
    assert People(embeddings("Ann/1.jpg", "Bo/1.jpg", "Ann/2.png")).names == ["Ann", "Bo"]
    assert People(embeddings("ann.jpg", "bo.v2.png")).names == ["ann", "bo.v2"]
    with pytest.raises(DataError, match=r"'bo\.jpg' has no folder"):
        People(embeddings("Ann/1.jpg", "bo.jpg"))
    with pytest.raises(DataError, match="no embeddings in it"):
        People(embeddings())


def test_one_person_with_two_images_does_not_tie_with_itself() -> None:
    twice = Embeddings(["Ann/1.jpg", "Ann/2.jpg", "Bo/1.jpg"], np.eye(3, dtype=np.float32)[[0, 0, 1]])
    (one,) = People(twice).identify(["x"], np.eye(3, dtype=np.float32)[:1], Rule(0.5), 2)
    assert one.identified == "Ann"
    assert [candidate.image for candidate in one.candidates] == ["Ann/1.jpg", "Bo/1.jpg"]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"model_digest": "b" * 64}, "model"),
        ({"flip": "none"}, "flip mode"),
        ({"preprocessing": {"height": 96}, "flip": "none"}, "preprocessing and flip mode"),
    ],
)
def test_embeddings_of_another_make_are_refused(tmp_path: Path, changed: dict[str, Any], what: str) -> None:
    gallery, probes = People(embeddings("Ann/1.jpg")), embeddings("x.jpg", **changed)
    with pytest.raises(DataError, match=f"another {what} than the gallery faces.npz"):
        gallery.comparable(probes)
    rule = read_rule(written(tmp_path))
    for notes in (rule.verification_notes, lambda made: rule.identification_notes(made, 1, 1)):
        with pytest.raises(DataError, match=f"another {what} than that of"):
            notes(probes)


def test_what_cannot_be_checked_is_said() -> None:
    gallery = People(embeddings("Ann/1.jpg"))
    assert gallery.comparable(embeddings("x.jpg")) == []
    (note,) = gallery.comparable(embeddings("x.jpg", model_digest=None))
    assert "of the same model could not be checked" in note
    assert gallery.comparable(embeddings("x.jpg", pooling="mean")) == []


YUNET = {"template": "arcface", "size": [112, 112], "detector": "yunet"}


@pytest.mark.parametrize(
    ("there", "here", "said"),
    [
        ({}, {}, None),
        ({"alignment": YUNET}, {"alignment": YUNET | {"face": "central", "model": "c" * 64}}, None),
        (
            {"alignment": YUNET},
            {"alignment": YUNET | {"detector": "landmarks"}},
            ("aligned by yunet to template arcface", "aligned by points from a file to template arcface"),
        ),
        ({}, {"alignment": YUNET}, ("images of unknown alignment", "aligned by yunet")),
        (
            {"alignment": YUNET, "fitted_from": ["112x96"]},
            {"alignment": YUNET},
            ("to template arcface, padded or cut from 112x96", "to template arcface"),
        ),
    ],
)
def test_other_crops_are_noted(
    tmp_path: Path, there: dict[str, Any], here: dict[str, Any], said: tuple[str, str] | None
) -> None:
    probes = embeddings("x.jpg", **here)
    notes = read_rule(written(tmp_path, **there)).crop_notes(probes)
    of_gallery = People(embeddings("Ann/1.jpg", **there)).crop_notes(probes)
    assert len(notes) == len(of_gallery) == (said is not None)
    for note in [*notes, *of_gallery]:
        first, second = note.split(" and ", 1)
        assert said is not None
        assert said[0] in first
        assert said[1] in second
    assert read_rule(0.3).crop_notes(probes) == []


def test_an_fmr_in_a_gallery_and_an_fpir_elsewhere_are_noted(tmp_path: Path) -> None:
    probes = embeddings("x.jpg")
    fmr = read_rule(written(tmp_path))
    assert fmr.verification_notes(probes) == []
    (note,) = fmr.identification_notes(probes, images=30, people=20)
    assert "30 images, so that up to 60.00 %" in note  # 30 × 0.02
    fpir = read_rule(written(tmp_path, **FPIR))
    assert fpir.identification_notes(probes, images=5, people=3) == []
    (note,) = fpir.identification_notes(probes, images=5, people=4)
    assert "a gallery of 3 people, applied to 4: an FPIR grows with the gallery" in note
    (note,) = fpir.verification_notes(probes)
    assert "calibrated for an FPIR in a gallery of 3" in note
    assert Rule(0.3).verification_notes(probes) == Rule().identification_notes(probes, 1, 1) == []


def test_scores_are_made_as_for_the_calibration(tmp_path: Path) -> None:
    rule = read_rule(written(tmp_path, similarity="euclidean", threshold=-5.0))
    a, b = np.array([0, 3], np.float32), np.array([4, 0], np.float32)
    made = rule.verify(("a", a), ("b", b))
    assert (made.score, made.same, made.similarity) == (-5.0, True, "euclidean")
    gallery = People(Embeddings(["B/1", "C/1"], np.array([[4, 0], [0, 9]], np.float32)))
    (one,) = gallery.identify(["a"], a[None], rule)
    assert (one.identified, one.candidates[0].score) == ("B", -5.0)
    assert Rule(0.5).verify(("a", a), ("b", b)).score == 0


@pytest.mark.parametrize("given", ["0.31", 0.31, "31e-2"])
def test_a_number_is_a_threshold(given: object) -> None:
    assert read_rule(given) == Rule(0.31)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["nan", "inf", "-1e400", float("nan")])
def test_a_number_that_no_score_has(given: object) -> None:
    with pytest.raises(NsfaceError, match="a threshold is a score"):
        read_rule(given)  # type: ignore[arg-type]


def test_files_that_are_no_threshold(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="calibrated with transform pca-8"):
        read_rule(written(tmp_path, transform="pca-8"))
    with pytest.raises(DataError, match=r"nowhere\.json: cannot be read"):
        read_rule(tmp_path / "nowhere.json")
    (tmp_path / "other.json").write_text('{"protocol": "lfw"}')
    with pytest.raises(DataError, match="not a calibrated threshold"):
        read_rule(str(tmp_path / "other.json"))


def test_embeddings_of_another_size() -> None:
    with pytest.raises(DataError, match=r"of size 3, and faces\.npz has them of size 8"):
        People(embeddings("Ann/1.jpg")).identify(["x"], np.ones((1, 3), np.float32), Rule())
