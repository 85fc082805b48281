"""Which columns and files of Parquet are what, and what cannot be told is refused by name."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nsface.errors import DataError
from nsface.images.sources import open_source
from tests.images.pictures import encoded, opened_or_refused, picture

arrow: Any = pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")

IMAGES = [encoded(picture(seed=number), ".jpg") for number in range(6)]
PEOPLE = ["p0", "p1", "p2", "p0", "p1", "p2"]
PICTURES = [{"bytes": data, "path": f"{number}.jpg"} for number, data in enumerate(IMAGES)]
NAMELESS = [{"bytes": data, "path": None} for data in IMAGES]


def write(path: Path, metadata: dict[bytes, bytes] | None = None, **columns: Any) -> Path:
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.table(columns).replace_schema_metadata(metadata), path, row_group_size=4)
    return path


def views() -> list[Any]:
    """Arrow's newest type of text, where this version can write it."""
    from pyarrow import parquet

    try:
        kind = arrow.string_view()
        parquet.write_table(arrow.table({"x": arrow.array(["a"], kind)}), io.BytesIO())
    except (AttributeError, NotImplementedError):
        return []
    return [kind]


TEXTS = [
    arrow.string(), arrow.large_string(), arrow.dictionary(arrow.int8(), arrow.string()),
    arrow.dictionary(arrow.int32(), arrow.large_string()),
    *views(),
]  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS, ids=str)
@pytest.mark.parametrize("name", ["person", "label"])
def test_every_kind_of_text_is_a_label_and_a_shard_never(tmp_path: Path, kind: Any, name: str) -> None:
    for shard in range(3):
        people = arrow.array(PEOPLE).cast(kind) if "view" not in str(kind) else arrow.array(PEOPLE, kind)
        write(tmp_path / "set" / f"part-{shard}.parquet", image=NAMELESS, **{name: people})
    source = open_source(str(tmp_path / "set"))
    assert list(source.identities) == PEOPLE * 3
    assert source.labelled
    assert list(source.names) == [f"{row:08d}.jpg" for row in range(18)]
    assert [source.read(row) for row in range(18)] == IMAGES * 3


@pytest.mark.parametrize("kind", [arrow.int8(), arrow.uint64(), arrow.int64(), arrow.float64()], ids=str)
def test_every_kind_of_number_is_a_label(tmp_path: Path, kind: Any) -> None:
    write(tmp_path / "x", image=PICTURES, label=arrow.array([0, 1, 2, 0, 1, 2]).cast(kind))
    assert list(open_source(str(tmp_path / "x")).identities) == ["0", "1", "2"] * 2


def test_names_of_classes(tmp_path: Path) -> None:
    features = {"label": {"names": ["Ada", "Bo"], "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    write(tmp_path / "x", metadata, image=PICTURES, label=[0, 1, -1, 0, 5, None])
    assert list(open_source(str(tmp_path / "x")).identities) == ["Ada", "Bo", "", "Ada", "5", ""]


@pytest.mark.parametrize(
    ("text", "why"),
    [(b"[" * 100_000, "nested too deep"), (b"{", "not the JSON"), (b"\xff", "not UTF-8")],
)
def test_metadata_that_are_no_json(tmp_path: Path, text: bytes, why: str) -> None:
    write(tmp_path / "x", {b"huggingface": text}, image=PICTURES, label=[0] * 6)
    with pytest.raises(DataError, match=why):
        open_source(str(tmp_path / "x"))


@pytest.mark.parametrize(
    ("columns", "identities"),
    [
        ({"id": [f"img{row}" for row in range(6)], "person": PEOPLE}, PEOPLE),  # the row's number
        ({"id": list(range(6)), "person": PEOPLE}, PEOPLE),
        ({"id": [0, 0, 1, 1, 2, 2], "person": PEOPLE}, ["0", "0", "1", "1", "2", "2"]),
        ({"__index_level_0__": [3] * 6, "person": PEOPLE}, PEOPLE),
        ({"__index_level_0__": [3] * 6, "__index_level_1__": [3] * 6, "label": PEOPLE}, PEOPLE),
        ({"identity": PEOPLE, "gender": [0] * 6}, PEOPLE),
        ({"person": [1.0, None, 2.0, 1.0, None, 2.0]}, ["1", "", "2"] * 2),  # pandas' numbers, some missing
        ({"id": [1.0, float("nan"), 2.0, 1.0, 2.0, 2.0]}, ["1", "", "2", "1", "2", "2"]),
        ({"person": PEOPLE, "missing": [float("nan")] * 6, "quality": [0.5, 1.0, 2.0] * 2}, PEOPLE),
        ({"label": [5, 6, 7, 8, 9, 10], "other": [0] * 6}, ["5", "6", "7", "8", "9", "10"]),  # called so
        ({"person": PEOPLE, "box": [[1, 2]] * 6, "age": [1.5] * 6}, PEOPLE),  # could not be labels
    ],
)
def test_which_column_is_the_label(tmp_path: Path, columns: dict[str, Any], identities: list[str]) -> None:
    write(tmp_path / "x", image=PICTURES, **columns)
    assert list(open_source(str(tmp_path / "x")).identities) == identities


@pytest.mark.parametrize("columns", [{}, {"id": list(range(6))}, {"__index_level_0__": [3, 3, 3, 4, 4, 4]}])
def test_without_labels_the_path_or_nothing_is_the_identity(tmp_path: Path, columns: dict[str, Any]) -> None:
    source = open_source(str(write(tmp_path / "p0.parquet", image=NAMELESS, **columns)))
    assert (source.labelled, list(source.identities)) == (False, [""] * 6)
    folders = [{"bytes": data, "path": f"/set/{who}/1.jpg"} for data, who in zip(IMAGES, PEOPLE, strict=True)]
    source = open_source(str(write(tmp_path / "x", image=folders, **columns)))
    assert list(source.identities) == [f"set/{who}" for who in PEOPLE]
    assert len(set(source.names)) == 6


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"person": PEOPLE, "gender": [0] * 6}, "holds the labels: person, gender"),
        ({"id": list(range(6)), "a": PEOPLE, "b": PEOPLE}, "holds the labels: id, a, b"),
        (
            {"caption": [f"text {row}" for row in range(6)]},
            "holds the labels: caption",
        ),  # never repeats
        (
            {"person": [1.0, 2.0, None] * 2, "age": [20, 20, 21] * 2},
            "holds the labels: person, age",
        ),
        (
            {"label": [0] * 6, "identity": PEOPLE},
            "label, identity: it is not clear",
        ),
        ({"label": [[0], [1], [2], [0], [1], [2]]}, "column label holds list"),
        ({"label": [{"a": 1}] * 6}, "column label holds struct"),
        ({"identity": [True] * 6}, "column identity holds bool"),
        ({"label": [0.5] * 6}, "column label holds 0.5"),
        ({"label": [float("inf")] * 6}, "column label holds inf"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, columns: dict[str, Any], why: str) -> None:
    path = write(tmp_path / "x", image=PICTURES, **columns)
    with pytest.raises(DataError, match=why) as error:
        open_source(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["id", "person"])
def test_texts_that_repeat_in_another_shard_are_labels_and_numbers_of_rows_are_not(
    tmp_path: Path, name: str
) -> None:
    for shard in range(2):
        columns: dict[str, Any] = {name: list("abcdef")}
        write(tmp_path / "texts" / f"{shard}.parquet", image=NAMELESS, **columns)
        write(tmp_path / "rows" / f"{shard}.parquet", image=NAMELESS, id=list(range(6)))
    assert list(open_source(str(tmp_path / "texts")).identities) == list("abcdef") * 2
    assert list(open_source(str(tmp_path / "rows")).identities) == [""] * 12


def test_the_column_can_be_selected(tmp_path: Path) -> None:
    path = write(tmp_path / "x", image=PICTURES, person=PEOPLE, gender=[0, 1] * 3, box=[[1]] * 6)
    assert list(open_source(f"{path}#label=person").identities) == PEOPLE
    assert list(open_source(f"{path}#label=gender").identities) == ["0", "1"] * 3
    assert list(open_source(f"{path}#label=folder").identities) == [""] * 6
    for name, why in {
        "box": "holds list",
        "none": "no column none; there are image, person, gender, box",
    }.items():
        with pytest.raises(DataError, match=why):
            open_source(f"{path}#label={name}")


LAYOUTS = {
    "files": "data/{}-00000-of-00001.parquet",
    "folders": "{}/0.parquet",
    "names": "{}.parquet",
    "words": "faces_{}.parquet",
    "hash": "{}-00000-of-00001-0123abcd.parquet",
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_one_split_is_read_and_selected_by_name(tmp_path: Path, layout: str) -> None:
    for number, split in enumerate(("train", "test")):
        write(tmp_path / "set" / layout.format(split), image=PICTURES, label=[number] * 6)
    with pytest.raises(DataError, match=r"several splits.*: test, train.*set#split=train"):
        open_source(str(tmp_path / "set"))
    assert set(open_source(f"{tmp_path}/set#split=test").identities) == {"1"}
    assert set(open_source(f"{tmp_path}/set#split=train,label=label").identities) == {"0"}
    with pytest.raises(DataError, match="no split val; there is test, train"):
        open_source(f"{tmp_path}/set#split=val")


def test_the_shards_of_one_split_belong_together(tmp_path: Path) -> None:
    for shard in range(2):
        write(tmp_path / "set" / f"data/train-0000{shard}-of-00002.parquet", image=NAMELESS, label=PEOPLE)
    assert len(open_source(str(tmp_path / "set"))) == 12
    write(tmp_path / "set" / "data/gallery-00000-of-00001.parquet", image=NAMELESS, label=PEOPLE)
    with pytest.raises(DataError, match="gallery, train"):
        open_source(str(tmp_path / "set"))
    assert len(open_source(f"{tmp_path}/set#split=gallery")) == 6


@pytest.mark.parametrize(
    "other",
    [
        {"picture": PICTURES, "label": PEOPLE},
        {"image": IMAGES, "label": PEOPLE},
        {"image": PICTURES, "identity": PEOPLE},
    ],
)
def test_files_with_other_columns_do_not_belong_together(tmp_path: Path, other: dict[str, Any]) -> None:
    write(tmp_path / "set" / "a.parquet", image=PICTURES, label=PEOPLE)
    write(tmp_path / "set" / "b.parquet", **other)
    with pytest.raises(DataError, match=r"columns of b\.parquet \(.*\) differ from those of a\.parquet"):
        open_source(str(tmp_path / "set"))


def test_damaged_files_are_one_line(tmp_path: Path) -> None:
    data = write(tmp_path / "x", image=PICTURES, label=PEOPLE).read_bytes()
    for place in range(len(data) - 300, len(data) - 8, 7):
        for byte in (0, 255, data[place] ^ 1):
            (tmp_path / "y").write_bytes(data[:place] + bytes([byte]) + data[place + 1 :])
            source = opened_or_refused(tmp_path / "y")
            if source is not None and len(source) > 5:
                with suppress(OSError):
                    source.read(5)
