"""YouTube Faces: splits, templates, frame pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nsface.embeddings import Embeddings
from nsface.embeddings.pooling import TemplatePool
from nsface.errors import DataError
from nsface.protocols.ytf import frame_pair_scores, read_splits, templates, video_of

SPLITS = "1, 1, A/0, A/1, 1\n1, 2, A/0, B/0, 0\n2, 3, C/0, C/1, 1\n2, 4, C/0, D/0, 0\n"


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    path = tmp_path / "splits.txt"
    path.write_text("split number, pair number, first, second, same\n" + SPLITS)
    return path


@pytest.fixture
def frames() -> Embeddings:
    random = np.random.default_rng(0)
    names = [
        f"{video}/{video.split('/')[1]}.{frame}.jpg"
        for video in ("A/0", "A/1", "B/0", "C/0", "C/1", "D/0")
        for frame in range(3 if video == "A/0" else 20)
    ]
    return Embeddings(names, random.normal(size=(len(names), 8)).astype(np.float32))


def test_header_or_none(splits: Path, tmp_path: Path) -> None:
    (tmp_path / "bare.txt").write_text(SPLITS)
    with_header, bare = read_splits(splits), read_splits(tmp_path / "bare.txt")
    assert with_header.left == bare.left == ["A/0", "A/0", "C/0", "C/0"]
    assert bare.same.tolist() == [True, False, True, False]
    assert bare.fold.tolist() == [0, 0, 1, 1]


def test_both_public_layouts() -> None:
    assert video_of("frame_images_DB/Aaron_Eckhart/0/0.555.jpg") == "Aaron_Eckhart/0"
    assert video_of("Aaron_Eckhart/0/aligned_detect_0.555.jpg") == "Aaron_Eckhart/0"


def test_templates_are_normalised_means_of_normalised_frames(splits: Path, frames: Embeddings) -> None:
    made = templates(frames, read_splits(splits))
    assert (made.pool, made.frames) == ("mean", len(frames.names))
    first = frames.vectors[:3] / np.linalg.norm(frames.vectors[:3], axis=1, keepdims=True)
    expected = first.mean(axis=0) / np.linalg.norm(first.mean(axis=0))
    np.testing.assert_allclose(made.embeddings.vectors[made.embeddings.rows(["A/0"])[0]], expected, rtol=1e-5)
    again = templates(made.embeddings, read_splits(splits))
    assert again.embeddings is made.embeddings


def test_incremental_pooling_gives_the_same(frames: Embeddings, splits: Path) -> None:
    pool = TemplatePool(8)
    for start in range(0, len(frames.names), 7):
        part = slice(start, start + 7)
        pool.add([video_of(name) for name in frames.names[part]], frames.vectors[part])
    names, vectors, counts = pool.result()
    made = templates(frames, read_splits(splits)).embeddings
    np.testing.assert_allclose(vectors, made.vectors[made.rows(names)], atol=1e-6)
    assert counts == [3, 20, 20, 20, 20, 20]


def test_frame_pairs(splits: Path, frames: Embeddings) -> None:
    trials = read_splits(splits)
    scores, count = frame_pair_scores(frames, trials)
    unit = frames.vectors / np.linalg.norm(frames.vectors, axis=1, keepdims=True)
    assert scores[0] == pytest.approx(
        float((unit[:3] @ unit[3:23].T).mean()), abs=1e-6
    )  # 60 pairs: all of them
    assert scores[2] != pytest.approx(float((unit[43:63] @ unit[63:83].T).mean()), abs=1e-6)  # 100 of 400
    assert count == len(frames.names)
    np.testing.assert_array_equal(scores, frame_pair_scores(frames, trials)[0])
    more = Embeddings([*frames.names, "Z/0/1.jpg"], np.vstack([frames.vectors, frames.vectors[:1]]))
    assert frame_pair_scores(more, trials)[1] == count  # a video that is not in the list is not counted


def test_videos_without_frames_are_counted_and_named(splits: Path, frames: Embeddings) -> None:
    few = Embeddings(frames.names[:23], frames.vectors[:23])
    with pytest.raises(DataError, match="4 of 6 videos have no frames: B/0, C/0, C/1, D/0"):
        templates(few, read_splits(splits))


@pytest.mark.real
def test_official_splits(real_data: Path) -> None:
    trials = read_splits(real_data / "lists" / "ytf_splits.txt")
    assert len(trials) == 5000
    counts = np.zeros((10, 2), dtype=int)
    np.add.at(counts, (trials.fold, trials.same.astype(int)), 1)
    assert (counts == 250).all()
    assert trials.people_in_several_folds() == []
