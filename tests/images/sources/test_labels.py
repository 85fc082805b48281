"""One rule for all sources: a negative label, or none, is nobody's; training leaves those images out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nsface.errors import DataError
from nsface.images.sources import open_source
from nsface.images.sources.base import identity_of
from nsface.images.store.packing import pack
from nsface.recipe.schema import Recipe
from nsface.training.data import training_set
from tests.images.containers import write_lmdb, write_parquet, write_shard
from tests.images.pictures import encoded, picture
from tests.images.records import content, write_rec

IMAGES = [encoded(picture(112, 96, seed=number)) for number in range(8)]
LABELS = [-1, 2, 0, 2, -1, 0, -7, 2]
IDENTITIES = ["", "2", "0", "2", "", "0", "", "2"]


def tar_of_numbers(path: Path) -> Path:
    files = {f"{k:03d}.png": data for k, data in enumerate(IMAGES)}
    write_shard(path, files | {f"{k:03d}.cls": b" %d\n" % label for k, label in enumerate(LABELS)})
    return path


def tar_of_json(path: Path) -> Path:
    files = {f"{k:03d}.png": data for k, data in enumerate(IMAGES)}
    labels = [label if k % 2 else str(label) for k, label in enumerate(LABELS)]
    write_shard(
        path, files | {f"{k:03d}.json": json.dumps({"label": x}).encode() for k, x in enumerate(labels)}
    )
    return path


def listed(path: Path) -> Path:
    path.mkdir()
    for number, data in enumerate(IMAGES):
        (path / f"{number}.png").write_bytes(data)
    lines = [f"{number}.png\t{label}\n" for number, label in enumerate(LABELS)]
    (path / "list.txt").write_text("".join(lines))
    return path / "list.txt"


def parquet(kind: Callable[[int], Any]) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        write_parquet(path, {"image": IMAGES, "label": [kind(label) for label in LABELS]})
        return path

    return write


def lmdb(path: Path) -> Path:
    items = {b"image-%d" % k: data for k, data in enumerate(IMAGES)}
    write_lmdb(
        path, items | {b"label-%d" % k: b"%d\n" % label for k, label in enumerate(LABELS) if label != -7}
    )
    return path


def rec(path: Path) -> Path:
    write_rec(path, [content(data, float(x)) for data, x in zip(IMAGES, LABELS, strict=True)])
    return path


def store(path: Path) -> Path:
    pack(open_source(str(tar_of_numbers(path.with_suffix(".tar")))), path)
    return path


ALL = [
    tar_of_numbers, tar_of_json, listed, parquet(int), parquet(str), parquet(float),
    parquet(lambda x: None if x < 0 else x),
    lmdb, rec, store,
]  # fmt: skip


@pytest.mark.parametrize("write", ALL)
def test_a_negative_label_is_nobody(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path / "set")
    source = open_source(str(path))
    assert list(source.identities) == IDENTITIES
    assert source.labelled
    assert source.unread_note is not None
    assert "3 of 8 images have no label or a negative one" in source.unread_note
    del source  # LMDB cannot be open twice in a process
    recipe = Recipe.model_validate(
        {"network": {"name": "light-resnet"}, "head": {"name": "softmax"}, "epochs": 1, "data": str(path)}
    )
    _, chosen, labels, identities = training_set(recipe)
    assert chosen == [1, 2, 3, 5, 7]
    assert labels.tolist() == [1, 0, 1, 0, 1]
    assert identities == ["0", "2"]


def test_nobody_is_not_counted_against_property(tmp_path: Path) -> None:
    path = rec(tmp_path / "train.rec")
    (tmp_path / "property").write_text("2,12,10")
    assert list(open_source(str(path)).remarks) == []
    (tmp_path / "property").write_text("3,12,10")
    assert "says 3 identities, and the images have 2" in open_source(str(path)).remarks[0]


def test_a_set_of_nobodies_cannot_be_trained_on(tmp_path: Path) -> None:
    write_shard(tmp_path / "x.tar", {"0.png": IMAGES[0], "0.cls": b"-1", "1.png": IMAGES[1], "1.cls": b"-1"})
    recipe = Recipe.model_validate(
        {
            "network": {"name": "light-resnet"},
            "head": {"name": "softmax"},
            "epochs": 1,
            "data": str(tmp_path / "x.tar"),
        }
    )
    with pytest.raises(DataError, match="0 identity in use"):
        training_set(recipe)


@pytest.mark.parametrize(
    ("label", "identity"),
    [
        (-1, ""), ("-1", ""), (" -12 \n", ""), ("-1.0", ""), ("- 1", ""), (None, ""), ("  ", ""),
        ("-007", ""),
        (0, "0"), ("-0", "-0"), ("-a", "-a"), ("1-2", "1-2"), ("Ada", "Ada"), (" 7\n", "7"), ("-1-", "-1-"),
        ("a\tb", "a\\x09b"),
    ],
)  # fmt: skip
def test_what_a_label_stands_for(label: object, identity: str) -> None:
    assert identity_of(label) == identity


def test_folders_are_no_labels(tmp_path: Path) -> None:
    for name in ("-1/a.png", "-1/b.png", "0/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(IMAGES[0])
    source = open_source(str(tmp_path))
    assert list(source.identities) == ["-1", "-1", "0"]
    assert source.unread_note is None
