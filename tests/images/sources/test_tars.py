"""Tars and their shards: labels, members that replace others, and nothing hostile followed."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nsface.errors import DataError
from nsface.images.sources import open_source
from tests.images.containers import add, write_shard
from tests.images.pictures import opened_or_refused


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
    assert source.unread_note is None


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
    with pytest.raises(DataError, match=r"set/A/1\.jpg is in two shards"):
        open_source(str(tmp_path / "{0..1}.tar"))


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("1.cls", b"five", "not a whole number"),
        ("1.json", b"{", "not the JSON"),
        ("1.json", b'{"label": [1]}', "neither a whole number nor a name"),
        ("1.cls", bytes(2_000_000), "2,000,000 bytes are too many for a label"),
        ("1.cls", b"9" * 5000, "not a whole number"),
        ("1.cls", b"1_0", "not a whole number"),
        ("1.json", b"[" * 200_000, "nested too deep"),
        ("1.json", b'{"label": ' + b"9" * 5000 + b"}", "too many digits"),
        ("1.json", b'{"label": "' + b"9" * 5000 + b'"}', "neither a whole number nor a name"),
        ("1.json", b"\xff", "not UTF-8"),
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
    assert source.unread_note is not None
    assert "x.tar: 6 passed over: " in source.unread_note


LABELS = {f"{key:04d}": str(key % 3).encode() for key in range(6)}


@pytest.mark.parametrize(
    "names", [["{}.jpg"], ["{}.face.jpg"], ["{}.face.jpg", "{}.full.png"], ["{}.a.b.c.jpg"]]
)
@pytest.mark.parametrize("folder", ["", "batch/", "v1.5/a.b/"])
@pytest.mark.parametrize("label", ["{}.cls", "{}.face.cls", "{}.json", "{}.CLS", "{}.Json"])
def test_the_key_ends_at_the_first_dot_of_the_base_name(
    tmp_path: Path, names: list[str], folder: str, label: str
) -> None:
    files: dict[str, bytes] = {}
    for key, text in LABELS.items():
        files |= {folder + name.format(key): b"x" for name in names}
        files[folder + label.format(key)] = (
            b'{"label": %s}' % text if label.lower().endswith("json") else text
        )
    write_shard(tmp_path / "x.tar", files)
    source = open_source(str(tmp_path / "x.tar"))
    assert (source.kind, len(source)) == ("webdataset", 6 * len(names))
    assert list(source.identities) == [text.decode() for text in LABELS.values() for _ in names]


def test_a_cls_counts_more_than_json_and_two_labels_of_one_key_are_refused(tmp_path: Path) -> None:
    for order in (("1.cls", "1.json"), ("1.json", "1.cls")):
        content = {"1.cls": b"7", "1.json": b'{"label": "Ada"}'}
        write_shard(tmp_path / "x.tar", {"1.jpg": b"a", **{name: content[name] for name in order}})
        assert list(open_source(str(tmp_path / "x.tar")).identities) == ["7"]
    write_shard(tmp_path / "x.tar", {"1.5.jpg": b"a", "1.5.cls": b"1", "1.6.jpg": b"b", "1.6.cls": b"2"})
    with pytest.raises(DataError, match=r"1\.6\.cls: another label than that of 1 above"):
        open_source(str(tmp_path / "x.tar"))


@pytest.mark.parametrize("others", [b"null", b'""', b"-1", b'"-1"'])
def test_a_label_that_is_null_is_nobody(tmp_path: Path, others: bytes) -> None:
    label = {key: b'{"label": %s}' % (b'"Ada"' if key == "1" else others) for key in "123"}
    files = {f"p/{key}.jpg": b"x" for key in label} | {f"p/{key}.json": text for key, text in label.items()}
    write_shard(tmp_path / "x.tar", files)
    assert list(open_source(str(tmp_path / "x.tar")).identities) == ["Ada", "", ""]
    write_shard(tmp_path / "y.tar", {name: text for name, text in files.items() if "1" not in name})
    source = open_source(str(tmp_path / "y.tar"))
    assert (list(source.identities), source.without_label) == (["", ""], 2)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (b'{"identity": 1}', "identity"),
        (b'{"a": 1, "b": {"label": 2}}', "a, b"),
        (b"[1]", "none"),
        (b"{}", "none"),
    ],
)
@pytest.mark.parametrize("folder", ["", "00000/", "Ada/"])
def test_json_without_a_label_is_refused_and_its_keys_are_said(
    tmp_path: Path, text: bytes, keys: str, folder: str
) -> None:
    write_shard(tmp_path / "x.tar", {f"{folder}1.jpg": b"a", f"{folder}1.json": text, f"{folder}2.jpg": b"b"})
    with pytest.raises(DataError, match=rf"without a 'label'; its keys are: {keys}\. .*#label=KEY"):
        open_source(str(tmp_path / "x.tar"))
    source = open_source(f"{tmp_path}/x.tar#label=folder")
    assert list(source.identities) == [folder.rstrip("/")] * 2
    if b"identity" in text:
        assert list(open_source(f"{tmp_path}/x.tar#label=identity").identities) == ["1", ""]


def damaged(change: Callable[[bytearray], None]) -> bytes:
    """A tar of two images whose first header is changed and has a checksum that fits."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        add(archive, "A/1.jpg", b"one")
        add(archive, "A/2.jpg", b"two")
    data = bytearray(buffer.getvalue())
    change(data)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


def put(place: int, new: bytes) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[place : place + len(new)] = new

    return change


@pytest.mark.parametrize(
    "change",
    [
        put(124, b"\xff" * 10 + b"\xfc\0"),  # a size of −1024: round and round
        put(124, b"\xff" * 12),
        put(124, b"\x80" + b"\x7f" * 11),  # a size beyond any file
        put(124, b"77777777777\0"),
        put(156, b"x"),  # extended headers that are none
        put(156, b"g"),
        put(156, b"L"),
        put(156, b"S"),
        put(100, b"zzzzzzz\0"),
    ],
)
def test_damaged_headers_of_tars_are_one_line(tmp_path: Path, change: Callable[[bytearray], None]) -> None:
    (tmp_path / "x.tar").write_bytes(damaged(change))
    source = opened_or_refused(tmp_path / "x.tar")
    assert source is None or len(source) <= 2


def test_a_long_chain_of_extended_headers_is_one_line(tmp_path: Path) -> None:
    header = damaged(put(156, b"L"))[:512]
    (tmp_path / "x.tar").write_bytes((header + b"name\0".ljust(512, b"\0")) * 5000)
    with pytest.raises(DataError, match=r"not an intact uncompressed tar|neither a tar"):
        open_source(str(tmp_path / "x.tar"))
