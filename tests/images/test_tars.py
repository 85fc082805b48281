"""Tars and their shards: labels, members that replace others, and nothing hostile followed."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest

from nsface.errors import DataError
from nsface.images.sources import open_source


def add(archive: tarfile.TarFile, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(data), kind, "/etc/passwd"
    archive.addfile(member, io.BytesIO(data) if data else None)


def write_shard(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            add(archive, name, data)


def test_later_tar_members_replace_earlier_ones_and_links_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        add(archive, "A/1.jpg", b"old")
        add(archive, "A/1.jpg", b"newer")
        add(archive, "A/2.jpg", kind=tarfile.SYMTYPE)
    source = open_source(str(path))
    assert list(source.names) == ["A/1.jpg"]
    assert source.read(0) == b"newer"


def test_a_member_under_two_spellings_is_one_and_hard_links_are_what_they_link_to(tmp_path: Path) -> None:
    (tmp_path / "set" / "A").mkdir(parents=True)
    (tmp_path / "set" / "A" / "1.jpg").write_bytes(b"one")
    (tmp_path / "set" / "B").mkdir()
    (tmp_path / "set" / "B" / "2.jpg").hardlink_to(tmp_path / "set" / "A" / "1.jpg")
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(tmp_path / "set", "./set")
        assert archive.getmember("./set/B/2.jpg").islnk() or archive.getmember("./set/A/1.jpg").islnk()
        add(archive, "set/A/1.jpg", b"newer")
    source = open_source(str(path))
    assert list(source.names) == ["A/1.jpg", "B/2.jpg"]
    assert [source.read(index) for index in range(2)] == [b"newer", b"one"]
    assert source.passed_over == []
    assert source.unread is None


def test_webdataset_shards(tmp_path: Path) -> None:
    write_shard(
        tmp_path / "s-08.tar", {"000.jpg": b"a", "000.cls": b"5\n", "001.png": b"b", "001.cls": b" 2"}
    )
    write_shard(tmp_path / "s-09.tar", {"002.json": b'{"label": 11, "x": 1}', "002.jpg": b"c"})
    write_shard(tmp_path / "s-10.tar", {"003.jpg": b"d", "003.json": b'{"label": "Ada"}', "9.cls": b"1"})
    source = open_source(str(tmp_path / "s-{08..10}.tar"))
    assert source.kind == "webdataset"
    assert list(source.names) == ["000.jpg", "001.png", "002.jpg", "003.jpg"]
    assert source.identities == ["5", "2", "11", "Ada"]
    assert [source.read(index) for index in range(4)] == [b"a", b"b", b"c", b"d"]
    assert source.passed_over == [("9.cls", "a label without an image")]
    single = open_source(str(tmp_path / "s-08.tar"))
    assert (single.kind, single.identities) == ("webdataset", ["5", "2"])
    with pytest.raises(DataError, match=r"s-11\.tar: no such file; all shards must be there"):
        open_source(str(tmp_path / "s-{08..11}.tar"))
    with pytest.raises(DataError, match="must rise"):
        open_source(str(tmp_path / "s-{10..08}.tar"))


def test_shards_of_folders_and_their_names(tmp_path: Path) -> None:
    write_shard(tmp_path / "0.tar", {"set/A/1.jpg": b"a", "set/A/1.txt": b"words"})
    write_shard(tmp_path / "1.tar", {"set/B/1.jpg": b"b"})
    source = open_source(str(tmp_path / "{0..1}.tar"))
    assert (source.kind, source.identities) == ("tar", ["A", "B"])
    write_shard(tmp_path / "1.tar", {"set/A/1.jpg": b"b"})
    with pytest.raises(DataError, match=r"set/A/1\.jpg stands in two shards"):
        open_source(str(tmp_path / "{0..1}.tar"))


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("1.cls", b"five", "not a whole number"),
        ("1.json", b"{", "not the JSON"),
        ("1.json", b'{"label": [1]}', "neither a whole number nor a name"),
        ("1.cls", bytes(2_000_000), "2,000,000 bytes are too many for a label"),
    ],
)
def test_bad_labels_in_tars(tmp_path: Path, name: str, data: bytes, why: str) -> None:
    write_shard(tmp_path / "x.tar", {"1.jpg": b"a", name: data})
    with pytest.raises(DataError, match=rf"x\.tar: {re.escape(name)}: .*{why}"):
        open_source(str(tmp_path / "x.tar"))


def test_hostile_tar_members_are_named_and_never_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        add(archive, "/abs/A/1.jpg", b"absolute")
        add(archive, "../../abs/A/2.jpg", b"outside")
        add(archive, "A/../../3.jpg", b"outside")
        for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)):
            add(archive, f"abs/A/link{number}.jpg", kind=kind)
        add(archive, "abs/B/é" + "x" * 300 + ".jpg", b"long")
        add(archive, "abs/B/.hidden.jpg", b"hidden")
    source = open_source(str(tmp_path / "x.tar"))
    assert [source.read(index) for index in range(len(source))] == [b"absolute", b"long"]
    assert list(source.names) == ["A/1.jpg", "B/é" + "x" * 300 + ".jpg"]
    assert dict(source.passed_over) == {
        "../../abs/A/2.jpg": "a path with `..`, not read",
        "A/../../3.jpg": "a path with `..`, not read",
        "abs/A/link0.jpg": "link, not followed",
        "abs/A/link1.jpg": "link, not followed",
        "abs/A/link2.jpg": "device, not read",
        "abs/A/link3.jpg": "named pipe, not read",
        "abs/B/.hidden.jpg": "hidden file",
    }
    assert source.unread is not None
    assert "x.tar: 6 passed over: " in source.unread
