"""`nsface synth`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nsface.images.rendered import is_rendered
from nsface.protocols.lfw import read_pairs

Run = Callable[..., Any]
SMALL = (
    *("--identities", 3, "--images-each", 2, "--folds", 2),
    *("--lfw-pairs", 3, "--ytf-pairs", 2, "--frames", 2),
)
TRAINING = (
    *("--identities", 2, "--images-each", 1, "--tar"),
    *("--lfw-pairs", 0, "--ytf-pairs", 0, "--workers", 1),
)


def test_everything_small(nsface: Run, tmp_path: Path) -> None:
    outcome = nsface("synth", tmp_path / "out", *SMALL, "--workers", 2, "--size", "112x112")
    assert outcome.status == 0
    assert outcome.out == ""
    assert outcome.err == f"{tmp_path / 'out'}: written\n"
    made = {path.name for path in (tmp_path / "out").iterdir()}
    lists = {"pairs.txt", "people.txt", "pair_FGLFW.txt", "subjects.txt", "splits.txt"}
    assert made == {"rendered.json", "train", "lfw", "ytf", "lfw_identification"} | lists
    assert len(list((tmp_path / "out" / "train").rglob("*.jpg"))) == 6
    assert len(read_pairs(tmp_path / "out" / "pairs.txt")) == 12
    for images in ("train", "lfw", "ytf", "ytf/frame_images_DB"):
        assert is_rendered(str(tmp_path / "out" / images))


def test_training_tar_alone(nsface: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()  # an empty folder is filled
    assert nsface("synth", tmp_path / "out", *TRAINING).status == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"rendered.json", "train.tar"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--lfw-people", 8), "too few"),
        (("--size", "99"), "--size"),
        (("--folds", 1), "--folds"),
        (("--seed", -1), "--seed"),
    ],
)
def test_wrong_options_take_one_line_and_leave_nothing(
    nsface: Run, tmp_path: Path, options: tuple[Any, ...], message: str
) -> None:
    outcome = nsface("synth", tmp_path / "out", "--identities", 0, "--workers", 1, *options)
    assert outcome.status == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_not_touched(nsface: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    outcome = nsface("synth", tmp_path)
    assert outcome.status == 2
    assert "not an empty folder" in outcome.err
    assert outcome.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
