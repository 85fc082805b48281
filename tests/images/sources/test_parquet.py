"""Parquet, written with its own library; skipped where that is not installed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from nsface.errors import DataError
from nsface.images.sources import open_source
from tests.images.containers import write_parquet
from tests.images.pictures import encoded, picture

IMAGES = [encoded(picture(seed=number), ".jpg" if number % 2 else ".png") for number in range(6)]


def test_of_hugging_face(tmp_path: Path) -> None:
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


def test_of_plain_columns(tmp_path: Path) -> None:
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


def test_whose_paths_repeat_is_named_by_labels_and_rows(tmp_path: Path) -> None:
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


def test_that_cannot_be_read(tmp_path: Path) -> None:
    write_parquet(tmp_path / "x", {"a": [1], "b": ["text"]})
    with pytest.raises(DataError, match=r"no column of images .* in a, b"):
        open_source(str(tmp_path / "x"))
    (tmp_path / "y").write_bytes((tmp_path / "x").read_bytes()[:-20])
    with pytest.raises(DataError, match="not Parquet that can be read"):
        open_source(str(tmp_path / "y"))
