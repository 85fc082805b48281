"""`nsface calibrate` and `--threshold`: what is found, what is checked, what is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.embeddings import Embeddings
from nsface.errors import DataError
from nsface.protocols.calibrate import Calibrate
from nsface.protocols.ident import Ident
from nsface.protocols.pairs import Pairs
from nsface.protocols.protocol import OptionsError
from nsface.results import Threshold, read_threshold

META = {
    "model": "m",
    "model_digest": "a" * 64,
    "flip": "sum",
    "precision": "float32",
    "preprocessing": {"mean": [0]},
}
PEOPLE, IMAGES = 30, 3


@pytest.fixture
def faces() -> Embeddings:
    random = np.random.default_rng(0)
    own = np.repeat(random.normal(size=(PEOPLE, 16)), IMAGES, axis=0)
    vectors = (own + 0.7 * random.normal(size=own.shape)).astype(np.float32)
    names = [f"P{row // IMAGES:02d}/{row % IMAGES}.jpg" for row in range(len(vectors))]
    return Embeddings(names, vectors, dict(META), "faces.npz")


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    random, lines = np.random.default_rng(1), []
    for person in range(PEOPLE):
        lines.append(f"P{person:02d}/0.jpg\tP{person:02d}/1.jpg\t1\n")
        for other in random.choice([p for p in range(PEOPLE) if p != person], 8, replace=False):
            if other > person or f"P{other:02d}/0.jpg\tP{person:02d}/0.jpg\t0\n" not in lines:
                lines.append(f"P{person:02d}/0.jpg\tP{other:02d}/0.jpg\t0\n")
    (tmp_path / "pairs.txt").write_text("".join(lines))
    return tmp_path / "pairs.txt"


def found(protocol: Calibrate, faces: Embeddings) -> Threshold:
    return protocol.measure(faces, protocol.read()).result()


def written(folder: Path, made: Threshold) -> Path:
    (folder / "t.json").write_text(json.dumps(made.to_json()))
    return folder / "t.json"


def scores_of(faces: Embeddings, listed: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = [line.split("\t") for line in listed.read_text().splitlines()]
    unit = np.asarray(faces.vectors, dtype=np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    left, right = faces.rows(row[0] for row in rows), faces.rows(row[1] for row in rows)
    return (unit[left] * unit[right]).sum(axis=1), np.array([row[2] == "1" for row in rows])


def test_a_list_gives_the_threshold_and_all_that_it_depends_on(faces: Embeddings, listed: Path) -> None:
    made = found(Calibrate(pairs=listed, fmr=0.05), faces)
    scores, same = scores_of(faces, listed)
    assert made.achieved == (scores[~same] >= made.threshold).mean() <= 0.05
    assert (scores[~same] >= made.threshold - 1.01e-6).mean() > 0.05
    assert made.fnmr == (scores[same] < made.threshold).mean()
    assert (made.impostors, made.genuine, made.people) == ((~same).sum(), same.sum(), PEOPLE)
    assert made.list_sha256 == hashlib.sha256(listed.read_bytes()).hexdigest()
    assert {key: getattr(made, key) for key in META} == META
    assert made.achieved < made.upper_bound < 0.15


def test_all_pairs_are_the_pairs_of_all_images(faces: Embeddings, tmp_path: Path) -> None:
    names = list(faces.names)
    lines = [
        f"{one}\t{other}\t{int(one[:3] == other[:3])}\n" for i, one in enumerate(names) for other in names[:i]
    ]
    (tmp_path / "every.txt").write_text("".join(lines))
    every = found(Calibrate(all_pairs=True, fmr=0.01), faces)
    as_list = found(Calibrate(pairs=tmp_path / "every.txt", fmr=0.01), faces)
    ignored: dict[str, Any] = dict.fromkeys(("list", "list_sha256", "fnmr", "fnmr_interval", "upper_bound"))
    assert replace(every, **ignored | {"upper_bound": 1}) == replace(as_list, **ignored | {"upper_bound": 1})
    assert every.upper_bound == pytest.approx(as_list.upper_bound)
    assert every.fnmr == pytest.approx(as_list.fnmr)
    assert every.fnmr_interval == pytest.approx(as_list.fnmr_interval)


def test_a_gallery_is_drawn_of_the_wanted_size(faces: Embeddings) -> None:
    made = found(Calibrate(fpir=0.1, gallery_size=10), faces)
    assert (made.kind, made.gallery_size) == ("fpir", 10)
    assert (made.impostors, made.genuine, made.people) == (20 * IMAGES, 10 * (IMAGES - 1), PEOPLE)
    assert made.achieved <= 0.1 < made.upper_bound
    assert made == found(Calibrate(fpir=0.1, gallery_size=10), faces)
    with pytest.raises(DataError, match="not extrapolated"):
        found(Calibrate(fpir=0.1, gallery_size=29), faces)


def test_lists_of_identification_give_an_fpir_that_eval_ident_finds_again(
    faces: Embeddings, tmp_path: Path
) -> None:
    lists = {"gallery": range(15), "impostors": range(15, PEOPLE)}
    for name, people in lists.items():
        (tmp_path / name).write_text("".join(f"P{p:02d}/0.jpg\n" for p in people))
    (tmp_path / "probes").write_text("".join(f"P{p:02d}/1.jpg\n" for p in lists["gallery"]))
    own: Any = {name: tmp_path / name for name in ("gallery", "probes", "impostors")}
    made = found(Calibrate(fpir=0.3, **own), faces)
    file = written(tmp_path, made)
    protocol = Ident(threshold=file, **own)
    measured = protocol.measure(faces, protocol.read())
    at = measured.result().at_threshold
    assert at
    assert at.fpir == pytest.approx(made.achieved)
    assert at.fnir == pytest.approx(made.fnir)
    assert at.fpir_interval
    assert any("this very list" in note for note in measured.notes)
    reduced = found(Calibrate(fpir=0.3, gallery_size=5, **own), faces)
    assert (reduced.gallery_size, reduced.genuine, reduced.impostors) == (5, 5, 15)
    protocol = Ident(threshold=written(tmp_path, reduced), **own)
    assert any(
        "gallery of 5 people, applied to 15" in n for n in protocol.measure(faces, protocol.read()).notes
    )
    with pytest.raises(DataError, match="a gallery of 16 people is wanted; there are 15"):
        found(Calibrate(fpir=0.3, gallery_size=16, **own), faces)


def test_a_threshold_is_applied_to_other_pairs(faces: Embeddings, listed: Path, tmp_path: Path) -> None:
    file = written(tmp_path, found(Calibrate(all_pairs=True, fmr=0.05), faces))
    protocol = Pairs(listed, threshold=file)
    measured = protocol.measure(faces, protocol.read())
    at = measured.result().at_threshold
    scores, same = scores_of(faces, listed)
    assert at
    assert at.fmr is not None
    assert at.fmr == (scores[~same] >= at.threshold).mean()
    assert at.fnmr == (scores[same] < at.threshold).mean()
    assert at.fmr_interval
    assert at.fmr_interval[0] < at.fmr < at.fmr_interval[1]
    assert "calibrated threshold" in measured.result().table()
    assert any("same set of images" in note for note in measured.notes)
    assert protocol.evaluate(faces).to_json()["at_threshold"]["fmr"] == pytest.approx(at.fmr)


@pytest.mark.parametrize(
    ("meta", "differing"),
    [
        ({"model_digest": "b" * 64}, "another model than"),
        ({"flip": "none", "preprocessing": {"mean": [1]}}, "another preprocessing and flip mode than"),
    ],
)
def test_embeddings_made_otherwise_are_refused(
    faces: Embeddings, listed: Path, tmp_path: Path, meta: dict[str, Any], differing: str
) -> None:
    file = written(tmp_path, found(Calibrate(pairs=listed, fmr=0.05), faces))
    other = replace(faces, meta=META | meta)
    with pytest.raises(DataError, match=f"{differing}.*calibrate again with this model"):
        Pairs(listed, threshold=file).evaluate(other)


@pytest.mark.parametrize(
    ("meta", "note"),
    [
        ({}, "could not be checked"),
        (META | {"precision": "bfloat16"}, "float32, applied to bfloat16"),
        (META | {"pooling": "mean"}, "applied to templates of several images"),
    ],
)
def test_what_cannot_be_checked_is_said(
    faces: Embeddings, listed: Path, tmp_path: Path, meta: dict[str, Any], note: str
) -> None:
    file = written(tmp_path, found(Calibrate(pairs=listed, fmr=0.05), faces))
    protocol = Pairs(listed, threshold=file)
    notes = protocol.measure(replace(faces, meta=meta), protocol.read()).notes
    assert any(note in sentence for sentence in notes)
    assert any("this very list" in sentence for sentence in notes)


@pytest.mark.parametrize("options", [{"similarity": "euclidean"}, {"center": True}, {"pca": 3}])
def test_another_similarity_or_transform_is_refused(
    faces: Embeddings, listed: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    file = written(tmp_path, found(Calibrate(pairs=listed, fmr=0.05), faces))
    with pytest.raises(DataError, match="calibrate again"):
        Pairs(listed, threshold=file, **options)
    assert read_threshold(file).similarity == "cosine"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fmr": 0.1},
        {"fmr": 0.0, "all_pairs": True},
        {"fmr": 0.1, "fpir": 0.1},
        {"fmr": 0.1, "all_pairs": True, "pairs": "p"},
        {"fmr": 0.1, "all_pairs": True, "similarity": "euclidean"},
        {"fmr": 0.1, "all_pairs": True, "gallery_size": 3},
        {"fpir": 0.1},
        {"fpir": 0.1, "pairs": "p"},
        {"fpir": 0.1, "gallery": "g", "probes": "p"},
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionsError):
        Calibrate(**options)


def test_the_table_says_what_errors_are_counted_in(faces: Embeddings, listed: Path) -> None:
    made = found(Calibrate(pairs=listed, fmr=0.05), faces)
    counted = f"({made.errors} of {made.impostors} impostor pairs"
    assert f"{counted}, {PEOPLE} people)" in " ".join(made.table().split())
    alone = replace(made, people=None, impostors=12_345)
    assert f"({made.errors} of 12,345 impostor pairs)" in " ".join(alone.table().split())
    drawn = found(Calibrate(fpir=0.1, gallery_size=10), faces)
    counted = f"({drawn.errors} of {drawn.impostors} probes of strangers"
    assert f"{counted}, {PEOPLE} people)" in " ".join(drawn.table().split())


def test_names_without_folders_give_no_guarantee(faces: Embeddings, tmp_path: Path) -> None:
    flat = replace(faces, names=[name.replace("/", "-") for name in faces.names])
    lines = [
        f"P{p:02d}-0.jpg\tP{(p + s) % PEOPLE:02d}-{s}.jpg\t{int(s == 0)}\n"
        for p in range(PEOPLE)
        for s in (1, 2)
    ]
    lines += [f"P{p:02d}-0.jpg\tP{p:02d}-1.jpg\t1\n" for p in range(PEOPLE)]
    (tmp_path / "flat.txt").write_text("".join(lines))
    protocol = Calibrate(pairs=tmp_path / "flat.txt", fmr=0.1)
    measured = protocol.measure(flat, protocol.read())
    assert measured.threshold.people is None
    assert any("do not say who is who" in note for note in measured.notes)
    with pytest.raises(DataError, match="no rate can be guaranteed"):
        found(Calibrate(pairs=tmp_path / "flat.txt", fmr=0.1, guarantee=True), flat)
    with pytest.raises(DataError, match="no folder that says who it is"):
        found(Calibrate(all_pairs=True, fmr=0.1), flat)
