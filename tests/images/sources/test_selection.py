"""What a location selects after its `#`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsface.errors import DataError
from nsface.images.sources import open_source
from nsface.images.sources.selection import parse_location
from tests.images.pictures import encoded, picture


@pytest.mark.parametrize(
    ("location", "path", "split", "label"),
    [
        ("a", "a", None, None),
        ("a#split=b", "a", "b", None),
        ("a#b#split=c,label=d e", "a#b", "c", "d e"),
        ("a#1", "a#1", None, None),
        ("#label=x", "", None, "x"),
    ],
)
def test_split_and_label_are_parsed(location: str, path: str, split: str | None, label: str | None) -> None:
    assert parse_location(location) == (path, (split, label))


@pytest.mark.parametrize("text", ["split=", "split=a,split=b", "column=a", "split=a,", "=a"])
def test_other_selections_are_errors(text: str) -> None:
    with pytest.raises(DataError, match="split=NAME, label=NAME"):
        parse_location(f"a#{text}")


def test_a_path_with_a_hash_is_a_path_and_folders_have_no_splits(tmp_path: Path) -> None:
    for name in ("a#split=1", "b"):
        (tmp_path / name / "x").mkdir(parents=True)
        (tmp_path / name / "x" / "1.jpg").write_bytes(encoded(picture(), ".jpg"))
    assert len(open_source(f"{tmp_path}/a#split=1")) == 1
    with pytest.raises(DataError, match="a folder has no splits"):
        open_source(f"{tmp_path}/b#split=1")
