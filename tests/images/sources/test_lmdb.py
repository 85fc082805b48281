"""LMDB, written with its own library; skipped where that is not installed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nsface.errors import DataError
from nsface.images.sources import open_source
from tests.images.containers import write_lmdb
from tests.images.pictures import encoded, opened_or_refused, picture

IMAGES = [encoded(picture(seed=number), ".jpg" if number % 2 else ".png") for number in range(6)]


def test_of_paths(tmp_path: Path) -> None:
    keys = [b"set/Ada/1.jpg", b"set/B\xc3\xbc/2", b"set/B\xff/3.png"]
    write_lmdb(tmp_path / "x", dict(zip(keys, IMAGES, strict=False)))
    source = open_source(str(tmp_path / "x"))
    assert source.kind == "lmdb"
    del source
    source = open_source(str(tmp_path / "x" / "data.mdb"))
    assert list(source.names) == ["Ada/1.jpg", "Bü/2.jpg", "B\\xff/3.png"]
    assert source.identities == ["Ada", "Bü", "B\\xff"]
    assert [source.read(index) for index in range(3)] == IMAGES[:3]
    assert not source.labelled


def test_with_labels(tmp_path: Path) -> None:
    items = {b"num-samples": b"3"}
    for number in (1, 2, 3):
        items |= {b"image-%09d" % number: IMAGES[number], b"label-%09d" % number: b"%d\n" % (number * 10)}
    write_lmdb(tmp_path / "x", items)
    source = open_source(str(tmp_path / "x"))
    assert source.identities == ["10", "20", "30"]
    assert source.labelled
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(source.read, [0, 1, 2] * 20)) == IMAGES[1:4] * 20
    before = source.fingerprint()
    del source  # an environment cannot be open twice in a process
    write_lmdb(tmp_path / "x", {b"label-000000002": b"21"})
    assert open_source(str(tmp_path / "x")).fingerprint() != before


def test_that_cannot_be_read(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "x", {b"0": b"\x80\x04K\x01.", b"1": b"what"})
    with pytest.raises(DataError, match="the value of b'0' is no encoded image"):
        open_source(str(tmp_path / "x"))
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "data.mdb").write_bytes(b"no" * 4096)
    with pytest.raises(DataError, match="not an LMDB environment"):
        open_source(str(tmp_path / "y"))


@pytest.mark.parametrize("left", [0, 10, 4096, 8192, 0.5, 0.99])
def test_that_was_cut_is_refused_before_its_library_sees_it(tmp_path: Path, left: float) -> None:
    write_lmdb(tmp_path / "x", {b"A/%d" % number: IMAGES[0] for number in range(50)})
    data = tmp_path / "x" / "data.mdb"
    os.truncate(data, int(left * data.stat().st_size) if 0 < left < 1 else int(left))
    with pytest.raises(DataError, match=r"cut short|not an LMDB environment"):
        open_source(str(tmp_path / "x"))


@pytest.mark.parametrize("left", [0, 4096, 0.9])
def test_that_becomes_shorter_is_an_error(tmp_path: Path, left: float) -> None:
    write_lmdb(tmp_path / "x", {b"A/%d" % number: IMAGES[0] * 20 for number in range(50)})
    source = open_source(str(tmp_path / "x"))
    data = tmp_path / "x" / "data.mdb"
    os.truncate(data, int(left * data.stat().st_size) if 0 < left < 1 else int(left))
    for index in range(50):
        with pytest.raises(OSError, match="has become shorter"):
            source.read(index)


@pytest.mark.parametrize("place", [0.4, 0.6, 0.9])
def test_with_damaged_pages_is_one_line(tmp_path: Path, place: float) -> None:
    """Whatever the library does with it, it does in a process of its own."""
    write_lmdb(tmp_path / "x", {b"A/%d" % number: IMAGES[0] for number in range(50)})
    path = tmp_path / "x" / "data.mdb"
    data = bytearray(path.read_bytes())
    start = max(8192, int(place * len(data)))
    data[start : start + 5000] = b"\xff" * len(data[start : start + 5000])
    path.write_bytes(data)
    source = opened_or_refused(tmp_path / "x")
    assert source is None or len(source) <= 50
