"""The trees and lists have the form of the public ones, and are sound."""

from __future__ import annotations

import tarfile
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from nsface.errors import DataError, NsfaceError
from nsface.files import new_folder
from nsface.protocols.lfw import read_pairs, read_people
from nsface.synthetic import LfwSet, YtfSet, write_lfw_set, write_training_set, write_ytf_set
from nsface.synthetic.lists import (
    different_pairs,
    lfw_folds,
    lfw_people,
    look_alike_pairs,
    same_pairs,
    subjects,
)

FOLDS, PAIRS = 4, 6


@pytest.fixture(scope="module")
def lfw(tmp_path_factory: pytest.TempPathFactory) -> LfwSet:
    return write_lfw_set(tmp_path_factory.mktemp("lfw"), FOLDS, PAIRS)


@pytest.fixture(scope="module")
def ytf(tmp_path_factory: pytest.TempPathFactory, lfw: LfwSet) -> YtfSet:
    return write_ytf_set(tmp_path_factory.mktemp("ytf"), FOLDS, 4, 3, familiar=lfw.familiar)


def test_training_folder_and_tar_hold_the_same(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    folder = write_training_set(
        tmp_path / "train", 3, 2, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(i, 6) for i in range(1, 7)]
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    assert names == [f"{i:07d}/{j:03d}.jpg" for i in range(3) for j in (1, 2)]
    with tarfile.open(write_training_set(tmp_path / "train.tar", 3, 2)) as tar:
        assert tar.getnames() == [f"train/{name}" for name in names]
        member = tar.extractfile(f"train/{names[0]}")
        assert member is not None
        assert member.read() == (folder / names[0]).read_bytes()


def test_tar_has_no_times_and_no_owners(tmp_path: Path) -> None:
    with tarfile.open(write_training_set(tmp_path / "train.tar", 3, 2)) as tar:
        facts = {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in tar}
    assert facts == {(0, 0, 0, "", 0o644)}


def test_lfw_pairs_are_sound(lfw: LfwSet) -> None:
    assert lfw.pairs.read_text().startswith(f"{FOLDS}\t{PAIRS}\n")
    trials = read_pairs(lfw.pairs)
    assert len(trials) == FOLDS * 2 * PAIRS
    assert trials.same.sum() == FOLDS * PAIRS
    assert trials.people_in_several_folds() == []
    assert trials.repeated() == 0
    for name in trials.left + trials.right:
        assert np.asarray(cv2.imread(str(lfw.images / name))).shape == (112, 96, 3)


def test_people_list_counts_the_images(lfw: LfwSet) -> None:
    folds = read_people(lfw.people)
    listed = {person.name: person.images for fold in folds for person in fold}
    found = {folder.name: len(list(folder.iterdir())) for folder in lfw.images.iterdir()}
    assert listed == found
    assert len(folds) == FOLDS
    assert len(listed) == lfw_people(FOLDS, PAIRS)
    fold_of = {person.name: number for number, fold in enumerate(folds) for person in fold}
    trials = read_pairs(lfw.pairs)
    assert [fold_of[name.split("/")[0]] for name in trials.left] == trials.fold.tolist()


def test_look_alike_list_has_the_same_positives(lfw: LfwSet) -> None:
    lines = lfw.look_alikes.read_text().splitlines()
    assert len(lines) == FOLDS * 2 * PAIRS * 2
    pairs = list(zip(lines[::2], lines[1::2], strict=True))
    trials = read_pairs(lfw.pairs)
    for start in range(0, len(pairs), 2 * PAIRS):
        same, alike = pairs[start : start + PAIRS], pairs[start + PAIRS : start + 2 * PAIRS]
        assert same == list(zip(trials.left, trials.right, strict=True))[start : start + PAIRS]
        assert all(left.split("/")[0] != right.split("/")[0] for left, right in alike)
    assert len(set(pairs)) == len(pairs)
    assert all((lfw.images / line).is_file() for line in lines)


def test_subjects_have_several_images_and_videos(lfw: LfwSet, ytf: YtfSet) -> None:
    names = lfw.subjects.read_text().split()
    assert names == sorted(names)
    assert len(names) == len(lfw.familiar) > 0
    assert all(len(list((lfw.images / name).iterdir())) >= 2 for name in names)
    in_videos = {folder.name for folder in ytf.images.iterdir()}
    assert set(names) < in_videos
    assert in_videos & {folder.name for folder in lfw.images.iterdir()} == set(names)


def test_splits_are_sound_and_their_videos_exist(ytf: YtfSet) -> None:
    rows = [line.split(", ") for line in ytf.splits.read_text().splitlines()]
    assert [(int(row[0]), int(row[1])) for row in rows] == [(s, i) for s in (1, 2, 3, 4) for i in range(1, 9)]
    split_of: dict[str, str] = {}
    for split, _, left, right, same in rows:
        assert (left.split("/")[0] == right.split("/")[0]) == (same == "1")
        for video in (left, right):
            assert split_of.setdefault(video.split("/")[0], split) == split
            number = video.split("/")[1]
            frames = sorted(path.name for path in (ytf.images / video).iterdir())
            assert frames == [f"{number}.{frame}.jpg" for frame in (1, 2, 3)]
    assert len({tuple(row[2:4]) for row in rows}) == len(rows)


def test_full_size_lists() -> None:
    """LFW's own numbers, without the images."""
    assert lfw_people(10, 300) == 5750
    folds = lfw_folds(0, 10, 300, 5749)
    assert sum(len(fold) for fold in folds) == 5749
    assert 12_500 < sum(member.count for fold in folds for member in fold) < 14_000
    assert 550 < len(subjects(folds)) < 650
    for pairs in (same_pairs(0, 3, folds[3], 300), different_pairs(0, 3, folds[3], 300)):
        assert len(set(pairs)) == 300
    alike = look_alike_pairs(0, 3, folds[3], 300)
    uses = [member.number for pair in alike for member, _ in pair]
    assert len(set(alike)) == 300
    assert max(uses.count(number) for number in set(uses)) <= 8


def test_small_folds_still_have_look_alikes_enough() -> None:
    for people in (4, 40):
        (members, _) = lfw_folds(0, 2, 60, people)
        assert len(set(look_alike_pairs(0, 0, members, 60))) == 60


def test_frames_of_a_video_resemble_each_other_more_than_videos_do(ytf: YtfSet) -> None:
    person = next(folder for folder in sorted(ytf.images.iterdir()) if len(list(folder.iterdir())) > 1)
    videos = [
        [np.asarray(cv2.imread(str(frame)), float) for frame in sorted(video.iterdir())]
        for video in sorted(person.iterdir())
    ]
    within = max(abs(a - b).mean() for video in videos for a, b in pairwise(video))
    between = abs(videos[0][0] - videos[1][0]).mean()
    assert within < between


def test_too_few_people_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few"):
        write_lfw_set(tmp_path, 4, 10, people=7)
    with pytest.raises(DataError, match="two folds"):
        write_ytf_set(tmp_path, 1, 10)
    assert list(tmp_path.iterdir()) == []


def test_new_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "file").write_text("x")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as folder:
        (folder / "file").write_text("x")
    assert (tmp_path / "out" / "file").read_text() == "x"
    with pytest.raises(NsfaceError, match="not an empty folder"), new_folder(tmp_path / "out"):
        pass


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for target in ("file/train", "file/train.tar"):
        with pytest.raises(NsfaceError, match="cannot write"):
            write_training_set(tmp_path / target, 1, 1)
