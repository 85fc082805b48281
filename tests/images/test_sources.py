"""Folders, tars and lists: the same names, order and bytes."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

import pytest

from nsface.errors import DataError
from nsface.images.sources import open_source
from nsface.images.sources.base import without_common_folder

TREE = {
    "B Ünal/B_0001.jpg": b"one",
    "B Ünal/B_0002.JPG": b"two",
    "Ada/Ada_0001.png": b"three",
    "Ada/.hidden.jpg": b"no",
    "Ada/._Ada_0001.png": b"no",
    "__MACOSX/Ada/Ada_0001.png": b"no",
    "Ada/notes.txt": b"no",
}
NAMES = ["Ada/Ada_0001.png", "B Ünal/B_0001.jpg", "B Ünal/B_0002.JPG"]
CONTENT = [b"three", b"one", b"two"]


def write_tree(root: Path) -> Path:
    for name, data in TREE.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def write_tar(path: Path, prefix: str = "", mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in TREE.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def check(location: str) -> None:
    source = open_source(location)
    assert list(source.names) == NAMES
    assert [source.read(index) for index in range(len(source))] == CONTENT
    assert source.identities == ["Ada", "B Ünal", "B Ünal"]


def test_folder_and_tar_agree(tmp_path: Path) -> None:
    check(str(write_tree(tmp_path / "faces")))
    check(str(write_tar(tmp_path / "no-extension")))
    check(str(write_tar(tmp_path / "lfw.tar", prefix="lfw/")))
    check(str(write_tar(tmp_path / "deep.tar", prefix="./data/lfw/")))


def test_list_keeps_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path / "faces")
    lines = f"# a comment\n\nfaces/{NAMES[2]}\r\n{tmp_path}/faces/{NAMES[0]}\nfaces/{NAMES[2]}\n"
    (tmp_path / "list.txt").write_text(lines, encoding="utf-8")
    source = open_source(str(tmp_path / "list.txt"))
    assert [source.read(index) for index in range(len(source))] == [b"two", b"three"]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"faces/{NAMES[1]}\nfaces/{NAMES[0]}\n"))
    source = open_source("-")
    assert list(source.names) == [NAMES[1], NAMES[0]]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["lfw/A/1.jpg", "lfw/B/2.jpg"], ["A/1.jpg", "B/2.jpg"]),
        (["x/lfw/A/1.jpg", "x/lfw/A/2.jpg"], ["A/1.jpg", "A/2.jpg"]),
        (["A/1.jpg", "A/2.jpg"], ["A/1.jpg", "A/2.jpg"]),
        (["lfw/A/1.jpg", "lfw/2.jpg"], ["lfw/A/1.jpg", "lfw/2.jpg"]),
        (["1.jpg"], ["1.jpg"]),
        ([], []),
    ],
)
def test_common_folder(names: list[str], expected: list[str]) -> None:
    assert without_common_folder(names) == expected


def test_later_tar_members_replace_earlier_ones_and_links_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for data in (b"old", b"newer"):
            member = tarfile.TarInfo("A/1.jpg")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("A/2.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    source = open_source(str(path))
    assert list(source.names) == ["A/1.jpg"]
    assert source.read(0) == b"newer"


def test_fingerprint_changes_with_the_content(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "faces")
    before = open_source(str(root)).fingerprint()
    assert open_source(str(root)).fingerprint() == before
    (root / NAMES[0]).write_bytes(b"three and more")
    assert open_source(str(root)).fingerprint() != before


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").write_bytes(bytes(range(128, 256)) * 9)
    (tmp_path / "list.txt").write_text("a.jpg\nmissing.jpg\n")
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "words.txt").write_text("some words\n")
    write_tar(tmp_path / "packed.tar.gz", mode="w:gz")
    whole = write_tar(tmp_path / "whole.tar").read_bytes()
    (tmp_path / "torn.tar").write_bytes(whole[: whole.index(b"two") - 100])
    for name, why in {
        "nowhere": "no such file or folder",
        "empty": "no images in it",
        "binary": "neither a tar nor a list",
        "list.txt": r"list\.txt:2: no such image: .*missing\.jpg",
        "words.txt": r"words\.txt:1: not the path of an image",
        "packed.tar.gz": "decompress it",
        "torn.tar": "not an intact uncompressed tar",
    }.items():
        with pytest.raises(DataError, match=why):
            open_source(str(tmp_path / name))
