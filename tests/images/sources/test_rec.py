"""MXNet record files: every branch of the format read back, every damage one line with key and offset."""

from __future__ import annotations

import os
import re
import struct
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.errors import DataError
from nsface.images.sources import RecSource, open_source
from nsface.images.sources.recordio import RecordFile
from tests.images.pictures import encoded, picture
from tests.images.records import MAGIC, content, frame, insightface, write_rec

IMAGES = [encoded(picture(seed=number), ".jpg" if number % 2 else ".png") for number in range(5)]
LABELS = [0, 0, 3, 3, 7]


def read_all(source: RecSource) -> list[bytes]:
    return [source.read(index) for index in range(len(source))]


@pytest.fixture
def train(tmp_path: Path) -> Path:
    path = tmp_path / "train.rec"
    contents = insightface(list(zip(LABELS, IMAGES, strict=True)))
    write_rec(path, contents, index=range(len(contents)))
    return path


def test_insightface_layout(train: Path) -> None:
    source = RecSource(train)
    assert read_all(source) == IMAGES
    assert source.identities == ["0", "0", "3", "3", "7"]
    assert source.names[:2] == ["0/00000001.png", "0/00000002.jpg"]
    assert source.names[-1] == "7/00000005.png"
    assert np.array_equal(source.pixels(0), picture(seed=0))
    assert source.remarks == []


def test_file_and_folder_are_recognised_by_content(train: Path) -> None:
    assert isinstance(open_source(str(train.parent)), RecSource)
    other = train.rename(train.with_name("anything.jpg"))
    train.with_suffix(".idx").rename(other.with_suffix(".idx"))
    assert isinstance(open_source(str(other)), RecSource)


def test_without_index(train: Path) -> None:
    indexed = RecSource(train)
    train.with_suffix(".idx").unlink()
    scanned = RecSource(train)
    assert read_all(scanned) == IMAGES
    assert list(scanned.names) == list(indexed.names)
    assert scanned.identities == indexed.identities


def test_without_index_header_every_record_is_an_image(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    contents = [content(image, label) for image, label in zip(IMAGES, LABELS, strict=True)]
    write_rec(path, contents)
    assert read_all(RecSource(path)) == IMAGES
    # an image with two labels as record 0 is no index header either
    contents[0] = content(IMAGES[0], (6.0, 9.0))
    write_rec(path, contents)
    source = RecSource(path)
    assert read_all(source) == IMAGES
    assert source.identities[0] == "6"


def test_labels_as_one_or_several_floats(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    labels: list[float | tuple[float, ...]] = [
        2.0,
        (5.0,),
        (4.0, 0.5),
        tuple(float(n) for n in range(12)),
        -1,
    ]
    write_rec(path, [content(image, label) for image, label in zip(IMAGES, labels, strict=True)])
    source = RecSource(path)
    assert source.identities == ["2", "5", "4", "0", ""]
    assert read_all(source) == IMAGES
    assert source.names[4] == "00000004.png"


def test_swapped_order_of_index_and_file(tmp_path: Path) -> None:
    path = tmp_path / "train.rec"
    contents = insightface(list(zip(LABELS, IMAGES, strict=True)))
    write_rec(path, contents, index=[3, 0, 8, 5, 1, 2, 7, 6, 4])
    assert read_all(RecSource(path)) == IMAGES
    # the records themselves in reverse: keys and offsets run against each other
    offsets = write_rec(path, contents[::-1])
    lines = [f"{len(contents) - 1 - place} {offset}\n" for place, offset in enumerate(offsets)]
    path.with_suffix(".idx").write_text("".join(lines))
    assert read_all(RecSource(path)) == IMAGES


@given(
    st.lists(
        st.lists(st.sampled_from([MAGIC, b"\xce", b"abcd", b"12345", b"\xff\xd8\xff\xe0"]), max_size=8),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_any_bytes_come_back(pieces: list[list[bytes]], with_index: bool) -> None:
    """Data that hold the magic, at multiples of four bytes and elsewhere, and of odd lengths."""
    images = [b"".join(parts) for parts in pieces]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.rec"
        write_rec(path, [content(image, 1) for image in images], range(len(images)) if with_index else None)
        assert read_all(RecSource(path)) == images


def test_the_magic_in_the_header_and_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    key = int.from_bytes(MAGIC + MAGIC, "little")
    (strange,) = struct.unpack("<f", MAGIC)
    write_rec(path, [content(IMAGES[0], 8, key), content(IMAGES[1], (9.0, strange), key)])
    source = RecSource(path)
    assert read_all(source) == IMAGES[:2]
    assert source.identities == ["8", "9"]


def test_property_is_compared(train: Path) -> None:
    property_ = train.with_name("property")
    property_.write_text("3,112,112\n")
    assert RecSource(train).remarks == []
    property_.write_text("10572,112,112")
    assert RecSource(train).remarks == [f"{property_} says 10572 identities, and the images have 3"]
    property_.write_text("what")
    assert "is not `classes,height,width`" in RecSource(train).remarks[0]


def test_an_index_that_lacks_images(train: Path) -> None:
    lines = train.with_suffix(".idx").read_text().splitlines(keepends=True)
    train.with_suffix(".idx").write_text("".join(lines[:3]))
    with pytest.raises(DataError, match=r"record 0 states that there are 5 images, and train.idx lists 2"):
        RecSource(train)


def damage(path: Path, change: Callable[[bytearray, list[int]], object], index: bool) -> str:
    """The message with which a damaged copy of a set is refused."""
    contents = insightface(list(zip(LABELS, IMAGES, strict=True)))
    offsets = write_rec(path, contents, index=range(len(contents)) if index else None)
    data = bytearray(path.read_bytes())
    change(data, offsets)
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        RecSource(path)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(str(path.parent))
    return message.removeprefix(str(path.parent))


def put(data: bytearray, offset: int, word: int) -> None:
    data[offset : offset + 4] = struct.pack("<I", word)


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize(
    ("change", "key", "why"),
    [
        (
            lambda data, at: put(data, at[3], 0x12345678),
            3,
            "0x12345678 was found where every record",
        ),
        (
            lambda data, at: put(data, at[2] + 4, (1 << 29) - 1),
            2,
            "536870911 bytes should follow, .* ends after",
        ),
        (
            lambda data, at: put(data, at[2] + 4, 2 << 29 | 8),
            2,
            "part 2 of a record was found where part 0 or 1",
        ),
        (lambda data, at: put(data, at[4] + 8, 1 << 31), 4, "more labels announced than it has bytes"),
        (
            lambda data, at: data.__delitem__(slice(at[8] + 20, None)),
            8,
            r"32 bytes should follow, .* after 12;",
        ),
    ],
)
def test_damage_is_one_line_with_key_and_offset(
    tmp_path: Path, index: bool, change: Callable[[bytearray, list[int]], object], key: int, why: str
) -> None:
    at: list[int] = []
    message = damage(
        tmp_path / "x.rec", lambda data, offsets: (at.__iadd__(offsets), change(data, offsets)), index
    )
    assert re.search(rf"record {key} at byte {at[key]}: {why}", message), message


def test_a_cut_far_from_the_end(tmp_path: Path) -> None:
    def cut(data: bytearray, at: list[int]) -> None:
        del data[at[5] + 40 :]

    scanned = damage(tmp_path / "x.rec", cut, index=False)
    assert re.search(r"record 5 at byte \d+: \d+ bytes should follow, and the file ends after 32;", scanned)
    indexed = damage(tmp_path / "x.rec", cut, index=True)
    assert re.search(r"record 6 at byte \d+: no record can begin there, in a file of \d+ bytes", indexed)


def test_a_cut_between_records_is_found_without_an_index(tmp_path: Path) -> None:
    message = damage(tmp_path / "x.rec", lambda data, at: data.__delitem__(slice(at[4], None)), index=False)
    assert "record 0 states that there are 5 images, and the file holds 3" in message


def test_parts_out_of_place(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    whole = content(IMAGES[0], 1)
    path.write_bytes(frame(whole, 0) + frame(whole, 1))
    with pytest.raises(
        DataError, match=rf"record 1 at byte {len(frame(whole, 0))}: the file ends before its last"
    ):
        RecSource(path)
    path.write_bytes(frame(whole, 1) + frame(whole, 0))
    with pytest.raises(DataError, match=r"record 0 at byte \d+: part 0 of a record was found where part 2"):
        RecSource(path)
    path.with_suffix(".idx").write_text("0\t0\n")
    with pytest.raises(DataError, match=r"record 0 at byte \d+: part 0 of a record was found where part 2"):
        RecSource(path)
    path.with_suffix(".idx").unlink()
    path.write_bytes(frame(b"short", 0))
    with pytest.raises(DataError, match="record 0 at byte 0: shorter than the 24 bytes"):
        RecSource(path)
    path.write_bytes(frame(whole, 0) + b"\n#\xd7")
    with pytest.raises(DataError, match=r"record 1 at byte \d+: the file ends after 3 bytes of it"):
        RecSource(path)


def test_labels_that_are_no_identity(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    for label in (0.5, float("nan"), float("inf")):
        write_rec(path, [content(IMAGES[0], 1), content(IMAGES[1], label)])
        with pytest.raises(DataError, match=r"record 1: label (0.5|nan|inf) is no whole number"):
            RecSource(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not lines of key and offset"),
        ("0\n1\n", "not lines of key and offset"),
        ("0\tzero\n", "not lines of key and offset"),
        ("0\t0\n0\t8\n", "key 0 occurs twice"),
        ("0\t4\n", "record 0 at byte 4: 0x.* was found where every record has 0xced7230a"),
        ("0\t2\n", "record 0 at byte 2: no record can begin there"),
        ("0\t-8\n", "record 0 at byte -8: no record can begin there"),
        ("0\t99999999999\n", "record 0 at byte 99999999999: no record can begin there"),
    ],
)
def test_bad_index(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "x.rec"
    write_rec(path, [content(IMAGES[0], 1)])
    path.with_suffix(".idx").write_text(text)
    with pytest.raises(DataError, match=why) as error:
        RecSource(path)
    assert "\n" not in str(error.value)


def test_empty_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "x.rec").touch()
    assert len(RecSource(tmp_path / "x.rec")) == 0
    with pytest.raises(DataError, match="cannot be read: no such file"):
        RecSource(tmp_path / "missing.rec")


def test_a_file_that_shrinks_while_it_is_read(train: Path) -> None:
    source = RecSource(train)
    with train.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(OSError, match="the file ends before byte"):
        source.read(4)


def with_ids(contents: list[bytes], ids: list[int]) -> list[bytes]:
    return [
        data[:8] + struct.pack("<Q", number) + data[16:] for data, number in zip(contents, ids, strict=True)
    ]


def shuffled_order(contents: list[bytes]) -> dict[str, list[int]]:
    last = len(contents) - 1
    return {
        "face2rec2": [*range(1, 6), 0, *range(6, last + 1)],  # images, index header, headers of identities
        "very last": [*range(1, last + 1), 0],
        "headers first": [0, *range(6, last + 1), *range(1, 6)],
        "reversed": list(range(last, -1, -1)),
    }


@pytest.mark.parametrize("order", ["face2rec2", "very last", "headers first", "reversed"])
@pytest.mark.parametrize("ids", ["their own", "all 0", "huge"])
def test_without_an_index_the_header_may_stand_anywhere(tmp_path: Path, order: str, ids: str) -> None:
    contents = insightface(list(zip(LABELS, IMAGES, strict=True)))
    numbers = {"their own": list(range(9)), "all 0": [0] * 9, "huge": [2**60 + n for n in range(9)]}[ids]
    contents = with_ids(contents, numbers)
    places = shuffled_order(contents)[order]
    write_rec(tmp_path / "train.rec", [contents[place] for place in places])
    (tmp_path / "property").write_text("3,12,10")
    source = RecSource(tmp_path / "train.rec")
    found = dict(zip(read_all(source), source.identities, strict=True))
    assert found == dict(zip(IMAGES, map(str, LABELS), strict=True))
    assert source.remarks == []
    if ids == "their own":
        assert list(source.names) == [
            "0/00000001.png", "0/00000002.jpg", "3/00000003.png", "3/00000004.jpg", "7/00000005.png"
        ]  # fmt: skip


def test_ids_name_images_without_any_header(tmp_path: Path) -> None:
    contents = with_ids([content(i, x) for i, x in zip(IMAGES, LABELS, strict=True)], [40, 30, 20, 10, 50])
    write_rec(tmp_path / "x.rec", contents)
    source = RecSource(tmp_path / "x.rec")
    assert [name.split("/")[1][:8] for name in source.names] == [
        "00000010",
        "00000020",
        "00000030",
        "00000040",
        "00000050",
    ]
    assert read_all(source) == [IMAGES[3], IMAGES[2], IMAGES[1], IMAGES[0], IMAGES[4]]


def test_empty_records_that_describe_nothing_are_no_header(tmp_path: Path) -> None:
    contents = [content(image, x) for image, x in zip(IMAGES, LABELS, strict=True)]
    write_rec(tmp_path / "x.rec", [*contents, content(b"", (3.0, 5.0))])
    assert len(RecSource(tmp_path / "x.rec")) == 6


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 30])
def test_images_behind_any_number_of_labels(tmp_path: Path, count: int) -> None:
    write_rec(tmp_path / "x.rec", [content(image, (4.0,) * count) for image in IMAGES])
    source = RecSource(tmp_path / "x.rec")
    assert read_all(source) == IMAGES
    assert [name[-4:] for name in source.names] == [".png", ".jpg", ".png", ".jpg", ".png"]


@pytest.mark.parametrize("left", [0, 100, 0.9])
def test_a_file_that_becomes_shorter_is_an_error(train: Path, left: float) -> None:
    source = RecSource(train)
    os.truncate(train, int(left * train.stat().st_size) if left < 1 else int(left))
    with pytest.raises(OSError, match="ends before byte"):
        source.read(4)
    records = RecordFile(train)
    os.truncate(train, 0)
    with pytest.raises(OSError, match="has become shorter") if records.size else nullcontext():
        records.read_beginnings(np.array([0]), 48)
