"""Back to a folder: the same bytes, labels as folders, and nothing outside."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from nsface.errors import DataError
from nsface.images.sources import open_source
from nsface.images.store.packing import pack
from nsface.images.store.unpacking import write_folder
from tests.images.pictures import encoded, picture, write_tar


def test_back_to_a_folder(tmp_path: Path) -> None:
    tar = open_source(str(write_tar(tmp_path / "train.tar")))
    pack(tar, tmp_path / "encoded", encoded=True)
    assert write_folder(open_source(str(tmp_path / "encoded")), tmp_path / "folder") == []
    folder = open_source(str(tmp_path / "folder"))
    assert list(folder.names) == list(tar.names)
    assert [folder.read(index) for index in range(40)] == [tar.read(index) for index in range(40)]
    pack(tar, tmp_path / "pixels")
    write_folder(open_source(str(tmp_path / "pixels")), tmp_path / "png", workers=2)
    folder = open_source(str(tmp_path / "png"))
    assert list(folder.names) == [name.replace(".jpg", ".png") for name in tar.names]
    assert all(np.array_equal(folder.pixels(index), tar.pixels(index)) for index in range(40))


def test_labels_become_folders(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(encoded(picture(seed=number), ".png"))
    (tmp_path / "list.txt").write_text("2.jpg Ada\n0.jpg Bo\n1.jpg Ada\n")
    write_folder(open_source(str(tmp_path / "list.txt")), tmp_path / "out")
    folder = open_source(str(tmp_path / "out"))
    assert list(folder.names) == ["Ada/00000000.png", "Ada/00000002.png", "Bo/00000001.png"]


@pytest.mark.parametrize("label", ["..", "../x", "/tmp/x", "a/../../x"])
def test_nothing_is_written_outside_the_folder(tmp_path: Path, label: str) -> None:
    (tmp_path / "1.png").write_bytes(encoded(picture()))
    (tmp_path / "list.txt").write_text(f"1.png {label}\n")
    with pytest.raises(DataError, match="leads out of the folder; nothing is written"):
        write_folder(open_source(str(tmp_path / "list.txt")), tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["1.png", "list.txt"]


def test_folders_leave_out_only_what_they_are_told(tmp_path: Path) -> None:
    for name, data in {
        "A/1.png": b"",
        "A/2.jpg": encoded(picture()),
        "A/2.png": encoded(picture(seed=1)),
    }.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    source = open_source(str(tmp_path / "in"))
    with pytest.raises(DataError, match=r"A/2\.png: two images have this name"):
        write_folder(source, tmp_path / "out")
    (tmp_path / "in" / "A" / "2.png").unlink()
    source = open_source(str(tmp_path / "in"))
    with pytest.raises(DataError, match=r"1 of 2 images .*A/1\.png: not an image"):
        write_folder(source, tmp_path / "out")
    assert write_folder(source, tmp_path / "out", skip_bad=True) == ["A/1.png: not an image"]
    assert open_source(str(tmp_path / "out")).names == ["A/2.png"]
