"""The training part and the test part of a folder, of a tar, and of what has no such parts."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest

from nsface.errors import DataError
from nsface.images.sources.parts_of_sets import open_part

PARTS: tuple[Literal["train", "test"], ...] = ("train", "test")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "set"
    for number, part in enumerate(PARTS):
        for label, name in enumerate(("bird", "cat")):
            (place / part / name).mkdir(parents=True)
            image = np.full((4, 4, 3), 100 * number + 10 * label, np.uint8)
            cv2.imwrite(str(place / part / name / "0.png"), image)
    return place


@pytest.fixture(params=["folder", "tar", "tar with a folder"])
def location(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "folder":
        return str(folder)
    path = folder.with_suffix(".tar")
    with tarfile.open(path, "w") as tar:
        tar.add(folder, "set" if "with" in request.param else ".")
    return str(path)


def test_the_parts(location: str) -> None:
    for number, part in enumerate(PARTS):
        source = open_part(location, part)
        assert list(source.identities) == ["bird", "cat"]
        assert [int(source.pixels(index)[0, 0, 0]) for index in range(2)] == [100 * number, 100 * number + 10]


def test_a_set_without_a_test_part(location: str, folder: Path) -> None:
    for name in ("bird", "cat"):
        (folder / "test" / name / "0.png").rename(folder / f"{name}.png")
        (folder / "test" / name).rmdir()
    (folder / "test").rmdir()
    if not Path(location).is_dir():
        with tarfile.open(location, "w") as tar:
            tar.add(folder, ".")
    with pytest.raises(
        DataError, match=r"no images in test/; a classification has its images in train/CLASS/"
    ):
        open_part(location, "test")
    assert len(open_part(location, "train")) == 2
