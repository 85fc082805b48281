"""LMDB and Parquet, written with their own libraries; skipped where these are not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from nsface.errors import DataError
from nsface.images.sources import open_source
from tests.images.containers import write_lmdb, write_parquet
from tests.images.pictures import encoded, opened_or_refused, picture

IMAGES = [encoded(picture(seed=number), ".jpg" if number % 2 else ".png") for number in range(6)]


def test_lmdb_of_paths(tmp_path: Path) -> None:
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


def test_lmdb_with_labels(tmp_path: Path) -> None:
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


def test_lmdb_that_cannot_be_read(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "x", {b"0": b"\x80\x04K\x01.", b"1": b"what"})
    with pytest.raises(DataError, match="the value of b'0' is no encoded image"):
        open_source(str(tmp_path / "x"))
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "data.mdb").write_bytes(b"no" * 4096)
    with pytest.raises(DataError, match="not an LMDB environment"):
        open_source(str(tmp_path / "y"))


@pytest.mark.parametrize("left", [0, 10, 4096, 8192, 0.5, 0.99])
def test_lmdb_that_was_cut_is_refused_before_its_library_sees_it(tmp_path: Path, left: float) -> None:
    write_lmdb(tmp_path / "x", {b"A/%d" % number: IMAGES[0] for number in range(50)})
    data = tmp_path / "x" / "data.mdb"
    os.truncate(data, int(left * data.stat().st_size) if 0 < left < 1 else int(left))
    with pytest.raises(DataError, match=r"cut short|not an LMDB environment"):
        open_source(str(tmp_path / "x"))


@pytest.mark.parametrize("left", [0, 4096, 0.9])
def test_lmdb_that_becomes_shorter_is_an_error(tmp_path: Path, left: float) -> None:
    write_lmdb(tmp_path / "x", {b"A/%d" % number: IMAGES[0] * 20 for number in range(50)})
    source = open_source(str(tmp_path / "x"))
    data = tmp_path / "x" / "data.mdb"
    os.truncate(data, int(left * data.stat().st_size) if 0 < left < 1 else int(left))
    for index in range(50):
        with pytest.raises(OSError, match="has become shorter"):
            source.read(index)


@pytest.mark.parametrize("place", [0.4, 0.6, 0.9])
def test_lmdb_with_damaged_pages_is_one_line(tmp_path: Path, place: float) -> None:
    """Whatever the library does with it, it does in a process of its own."""
    write_lmdb(tmp_path / "x", {b"A/%d" % number: IMAGES[0] for number in range(50)})
    path = tmp_path / "x" / "data.mdb"
    data = bytearray(path.read_bytes())
    start = max(8192, int(place * len(data)))
    data[start : start + 5000] = b"\xff" * len(data[start : start + 5000])
    path.write_bytes(data)
    source = opened_or_refused(tmp_path / "x")
    assert source is None or len(source) <= 50


def test_parquet_of_hugging_face(tmp_path: Path) -> None:
    """A structure of bytes and path, labels with names, several files in a folder."""
    features = {"image": {"_type": "Image"}, "label": {"names": ["Ada", "Bo", "Cy"], "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    for shard in range(2):
        rows = range(3 * shard, 3 * shard + 3)
        images = [{"bytes": IMAGES[row], "path": f"{row}.jpg"} for row in rows]
        columns = {"image": images, "label": [row % 3 for row in rows], "other": [0] * 3}
        write_parquet(tmp_path / "x" / "data" / f"train-0000{shard}-of-00002.parquet", columns, metadata)
    source = open_source(str(tmp_path / "x"))
    assert source.kind == "parquet"
    assert source.identities == ["Ada", "Bo", "Cy"] * 2
    assert list(source.names) == [f"{row}.jpg" for row in range(6)]
    with ThreadPoolExecutor(4) as pool:
        assert (
            list(pool.map(source.read, [5, 0, 3, 1, 4, 2] * 10))
            == [IMAGES[i] for i in (5, 0, 3, 1, 4, 2)] * 10
        )
    shards = open_source(str(tmp_path / "x" / "data" / "train-{00000..00001}-of-00002.parquet"))
    assert list(shards.names) == list(source.names)
    assert np.array_equal(shards.pixels(4), picture(seed=4))


def test_parquet_of_plain_columns(tmp_path: Path) -> None:
    write_parquet(tmp_path / "x", {"face": IMAGES[:4], "person": ["Ada", "Bo", None, "Bo"]})
    source = open_source(str(tmp_path / "x"))
    assert source.identities == ["Ada", "Bo", "", "Bo"]
    assert list(source.names) == [f"{row:08d}.jpg" for row in range(4)]
    assert [source.read(index) for index in range(3)] == IMAGES[:3]
    write_parquet(tmp_path / "y", {"image": [IMAGES[0], None]})
    source = open_source(str(tmp_path / "y"))
    assert not source.labelled
    assert list(source.identities) == ["", ""], "a file is nobody"
    with pytest.raises(OSError, match="no image in this row"):
        source.read(1)


def test_parquet_whose_paths_repeat_is_named_by_labels_and_rows(tmp_path: Path) -> None:
    images = [{"bytes": data, "path": f"{number % 2}.jpg"} for number, data in enumerate(IMAGES[:4])]
    write_parquet(tmp_path / "x.parquet", {"image": images, "label": ["Ada", "Ada", "Bo", "Bo"]})
    source = open_source(str(tmp_path / "x.parquet"))
    assert list(source.names) == [
        "Ada/00000000.jpg",
        "Ada/00000001.jpg",
        "Bo/00000002.jpg",
        "Bo/00000003.jpg",
    ]
    assert [source.read(index) for index in range(4)] == IMAGES[:4]


def test_parquet_that_cannot_be_read(tmp_path: Path) -> None:
    write_parquet(tmp_path / "x", {"a": [1], "b": ["text"]})
    with pytest.raises(DataError, match=r"no column of images .* in a, b"):
        open_source(str(tmp_path / "x"))
    (tmp_path / "y").write_bytes((tmp_path / "x").read_bytes()[:-20])
    with pytest.raises(DataError, match="not Parquet that can be read"):
        open_source(str(tmp_path / "y"))


@pytest.mark.parametrize(("package", "extra"), [("lmdb", "lmdb"), ("pyarrow", "parquet")])
def test_without_the_package_one_line_says_what_to_install(tmp_path: Path, package: str, extra: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "data.mdb").write_bytes(b"x")
    (tmp_path / "y").write_bytes(b"PAR1")
    location = tmp_path / ("x" if package == "lmdb" else "y")
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from nsface.images.sources import open_source\n"
        "from nsface.errors import DataError\n"
        f"try: open_source({str(location)!r})\n"
        "except DataError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f'pip install "nsface[{extra}]"' in done.stdout
