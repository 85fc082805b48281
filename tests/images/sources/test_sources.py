"""Folders, tars and lists: the same names, order, labels and bytes, whatever else lies in them."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.errors import DataError
from nsface.images.sources import numbered, open_source
from nsface.images.sources.base import without_common_folder
from nsface.images.sources.folder import FolderSource

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
    lines = f"# a comment\n\nfaces/{NAMES[2]}\r\n{tmp_path}/faces/{NAMES[0]}\n./faces//{NAMES[2]}\n"
    (tmp_path / "list.txt").write_text(lines, encoding="utf-8")
    source = open_source(str(tmp_path / "list.txt"))
    assert [source.read(index) for index in range(len(source))] == [b"two", b"three"]

    monkeypatch.chdir(tmp_path)
    lines = f"faces/{NAMES[1]}\nfaces/{NAMES[0]}\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    source = open_source("-")
    assert list(source.names) == [NAMES[1], NAMES[0]]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(DataError, match="standard input: no images"):
        open_source("-")


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


@given(st.lists(st.lists(st.sampled_from(["a", "b", "ab", "", "."]), min_size=1, max_size=6), max_size=5))
def test_common_folder_one_by_one(folders: list[list[str]]) -> None:
    names = ["/".join([*parts, f"{i}.jpg"]) for i, parts in enumerate(folders)]
    rest = [[part for part in name.split("/") if part not in ("", ".")] for name in names]
    while rest and min(map(len, rest)) > 2 and len({parts[0] for parts in rest}) == 1:
        rest = [parts[1:] for parts in rest]
    assert without_common_folder(names) == ["/".join(parts) for parts in rest]


def test_fingerprint_changes_with_the_content(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "faces")
    before = open_source(str(root)).fingerprint()
    assert open_source(str(root)).fingerprint() == before
    (root / NAMES[0]).write_bytes(b"three and more")
    assert open_source(str(root)).fingerprint() != before


@pytest.mark.parametrize("packed", [False, True])
def test_a_copy_has_the_fingerprint_of_the_original(tmp_path: Path, packed: bool) -> None:
    one = write_tar(tmp_path / "one") if packed else write_tree(tmp_path / "one")
    two = write_tar(tmp_path / "two") if packed else write_tree(tmp_path / "two")
    for path in (two, *two.rglob("*")):
        os.utime(path, (1e9, 1e9))
    sources = [open_source(str(path)) for path in (one, two)]
    assert sources[0].fingerprint() == sources[1].fingerprint()
    assert sources[0].dated_fingerprint() != sources[1].dated_fingerprint()


def test_content_of_the_same_size_has_another_fingerprint(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "faces")
    before = open_source(str(root)).fingerprint()
    data = (root / NAMES[0]).read_bytes()
    (root / NAMES[0]).write_bytes(data[::-1])
    assert open_source(str(root)).fingerprint() != before


def test_what_changes_unseen_changes_the_dated_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_tree(tmp_path / "faces")
    monkeypatch.setattr(FolderSource, "fingerprint_samples", 1)
    source = open_source(str(root))
    before, dated = source.fingerprint(), source.dated_fingerprint()
    last = root / source.names[-1]
    last.write_bytes(last.read_bytes()[::-1])
    os.utime(last, (1e9, 1e9))
    assert source.fingerprint() == before
    assert source.dated_fingerprint() != dated


def test_labels_belong_to_the_fingerprint(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "faces")
    found = []
    for label in "xy":
        (root / "list.txt").write_text(f"{NAMES[0]} x\n{NAMES[1]} {label}\n")
        found.append(open_source(str(root / "list.txt")).fingerprint())
    assert found[0] != found[1]


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").write_bytes(bytes(range(128, 256)) * 9)
    (tmp_path / "list.txt").write_text("a.jpg\nmissing.jpg\n")
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "words.txt").write_text("some words\n")
    for kind in ("gz", "bz2", "xz"):
        write_tar(tmp_path / f"packed.tar.{kind}", mode=f"w:{kind}")
    (tmp_path / "packed.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd\x04\x58")
    (tmp_path / "lzma").write_bytes(b"]\0\0\xff\xff" + bytes(99))  # what an LZMA decoder takes for 4 GB
    whole = write_tar(tmp_path / "whole.tar").read_bytes()
    (tmp_path / "torn.tar").write_bytes(whole[: whole.index(b"two") - 100])
    for name, why in {
        "nowhere": "no such file or folder",
        "empty": "no images in it",
        "binary": "neither a tar nor a list",
        "list.txt": r"list\.txt:2: no such image: .*missing\.jpg",
        "words.txt": r"words\.txt:1: not the path of an image",
        **{f"packed.tar.{kind}": r"compressed .*; decompress it" for kind in ("gz", "bz2", "xz", "zst")},
        "lzma": "neither a tar nor a list",
        "torn.tar": "not an intact uncompressed tar",
    }.items():
        with pytest.raises(DataError, match=why):
            open_source(str(tmp_path / name))


def write_images(root: Path, names: list[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def test_lists_with_labels(tmp_path: Path) -> None:
    write_images(tmp_path, ["a/1.jpg", "b c/2 3.jpg", "b c/4.PNG"])
    for text in (
        "# path label\n\na/1.jpg 12\n  b c/2 3.jpg  7 \n\nb c/4.PNG 12\n",
        "a/1.jpg\t12\r\nb c/2 3.jpg\t7\r\nb c/4.PNG \t 12\na/1.jpg\t12",
    ):
        (tmp_path / "list.txt").write_text(text)
        source = open_source(str(tmp_path / "list.txt"))
        assert source.identities == ["12", "7", "12"]
        assert source.labelled
        assert list(source.names) == ["a/1.jpg", "b c/2 3.jpg", "b c/4.PNG"]
        assert source.read(1) == b"b c/2 3.jpg"
    (tmp_path / "list.txt").write_text("a/1.jpg\nb c/2 3.jpg\n")
    source = open_source(str(tmp_path / "list.txt"))
    assert source.identities == ["a", "b c"]
    assert not source.labelled


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a/1.jpg 1\na/2.jpg\n", r":2: only some lines have a label"),
        ("a/1.jpg\na/2.jpg 1\n", r":2: only some lines have a label"),
        ("a/1.jpg 1\n\na/1.jpg 2\n", r":3: a/1\.jpg has another label"),
        ("a/1.jpg 1 2\n", r":1: not the path of an image"),
        ("a/1.jpg 1\n7\ta/2.jpg\n", r":2: not the path of an image: 7"),
        ("a/1.jpg 1\na/3.jpg 1\n", r":2: no such image"),
    ],
)
def test_bad_lists(tmp_path: Path, text: str, why: str) -> None:
    write_images(tmp_path, ["a/1.jpg", "a/2.jpg"])
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(DataError, match=why):
        open_source(str(tmp_path / "list.txt"))


def test_paths_that_are_not_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.fsencode(tmp_path) + b"/faces/A\xe9/\xff1.jpg"
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as file:
        file.write(b"here")
    (tmp_path / "list.txt").write_bytes(b"faces/A\xe9/\xff1.jpg\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path + b"\n")))
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(tmp_path / "faces", "faces")
    for location in (str(tmp_path / "faces"), str(tmp_path / "list.txt"), "-", str(tmp_path / "x.tar")):
        source = open_source(location)
        assert source.names[0].endswith("A\\xe9/\\xff1.jpg")
        assert source.names[0].encode()
        assert source.read(0) == b"here"


def test_what_is_no_regular_file_is_an_error_not_a_wait(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    os.mkfifo(tmp_path / "A" / "pipe.jpg")
    (tmp_path / "A" / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "A" / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "round").symlink_to(".")
    source = open_source(str(tmp_path))
    assert list(source.names) == ["A/loop.jpg", "A/pipe.jpg", "A/zero.jpg"]
    for index, why in enumerate(["symbolic links", "not a regular file", "not a regular file"]):
        with pytest.raises(OSError, match=why):
            source.read(index)
    assert source.fingerprint()
    assert source.passed_over == [("round", "link to a folder, not followed")]


def test_kinds_are_recognised_by_content(tmp_path: Path) -> None:
    (tmp_path / "faces.tar").write_text("1.jpg\n")
    (tmp_path / "1.jpg").write_bytes(b"x")
    assert open_source(str(tmp_path / "faces.tar")).kind == "list"
    write_tar(tmp_path / "list.txt")
    assert open_source(str(tmp_path / "list.txt")).kind == "tar"
    (tmp_path / "x.bin").write_bytes(bytes(range(7)) * 99)
    with pytest.raises(DataError, match="nor anything else that holds images"):
        open_source(str(tmp_path / "x.bin"))


@pytest.mark.parametrize(
    ("identities", "names", "labels"),
    [
        (["10", "2", "2"], ["2", "10"], [1, 0, 0]),
        (["0000045", "0000003"], ["0000003", "0000045"], [1, 0]),
        (["b", "10", "a", "2"], ["10", "2", "a", "b"], [3, 0, 2, 1]),
        ([], [], []),
    ],
)
def test_identities_are_numbered_in_order(identities: list[str], names: list[str], labels: list[int]) -> None:
    numbers, found = numbered(identities)
    assert (found, numbers.tolist()) == (names, labels)


READ = ["a.jpg", "b.JFIF", "c.jpe", "d.mpo", "e.jif", "f.pjpeg", "g.apng", "h.dib", "i.TIFF"]
NOT_READ = ["j.gif", "k.HEIC", "l.avif", "m.jxl", "n.jp2", "o.dng"]


def tree(root: Path) -> Path:
    for name in (*READ, *NOT_READ, "notes.txt", "list.xml", ".k.heic"):
        (root / "p").mkdir(parents=True, exist_ok=True)
        (root / "p" / name).write_bytes(name.encode())
    return root


@pytest.mark.parametrize("kind", ["folder", "tar", "shards"])
def test_formats_of_phones_are_read_and_what_is_not_is_counted(tmp_path: Path, kind: str) -> None:
    tree(tmp_path / "set")
    location = str(tmp_path / "set")
    if kind != "folder":
        with tarfile.open(tmp_path / "0.tar", "w") as archive:
            archive.add(tmp_path / "set", "set")
        location = str(tmp_path / ("0.tar" if kind == "tar" else "{0..0}.tar"))
    source = open_source(location)
    assert list(source.names) == [f"p/{name}" for name in READ]
    assert source.unread_note is not None
    assert "6 passed over: " in source.unread_note
    assert "a format that is not read) and 3 more" in source.unread_note
    assert "\n" not in source.unread_note
    passed_over = {name.rpartition("/")[2] for name, why in source.passed_over if why.endswith("not read")}
    assert passed_over == set(NOT_READ)


def test_where_no_image_can_be_read_the_others_are_named(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name in ("1.heic", "2.heic"):
        (tmp_path / "p" / name).write_bytes(b"x")
    with pytest.raises(DataError, match=r"no images in it .*2 passed over: p/1\.heic"):
        open_source(str(tmp_path))


@pytest.mark.parametrize(
    "name", ["x" * 300, "a/" * 3000, "x" * 300 + "{0..1}.tar", "x" * 300 + "#split=a", "a\0b"]
)
def test_paths_that_cannot_be_are_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as error:
        open_source(f"{tmp_path}/{name}")
    assert str(error.value).isprintable()


def test_numbers_of_any_length_are_numbered_in_order() -> None:
    long = "9" * 5000
    numbers, found = numbered([long, "10", "9", "0" + long, "1" + "0" * 5000])
    assert found == ["9", "10", "0" + long, long, "1" + "0" * 5000]
    assert numbers.tolist() == [3, 1, 0, 2, 4]
