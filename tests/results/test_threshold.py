"""The file of a calibrated threshold: written, read back, and refused where it cannot be right."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.errors import DataError
from nsface.results import Threshold, read_result, read_threshold

MADE = Threshold(
    threshold=float(np.nextafter(0.3, 1)),
    similarity="cosine",
    kind="fmr",
    target=0.01,
    achieved=0.009,
    upper_bound=0.0125,
    confidence=0.95,
    method="Clopper and Pearson",
    impostors=3000,
    errors=27,
    people=4281,
    genuine=3000,
    fnmr=0.02,
    fnmr_interval=(0.015, 0.026),
    list="pairs.txt",
    list_sha256="0" * 64,
    preprocessing={"height": 112, "mean": [127.5]},
)
FPIR = replace(MADE, kind="fpir", fnmr=None, fnmr_interval=None, fnir=0.1, gallery_size=596)


def written(folder: Path, **changes: Any) -> Path:
    file = folder / "threshold.json"
    content = MADE.to_json() | changes
    file.write_text(json.dumps({key: value for key, value in content.items() if value != "left out"}))
    return file


@pytest.mark.parametrize("made", [MADE, FPIR, replace(MADE, people=None, list=None, list_sha256=None)])
def test_what_is_written_is_read(tmp_path: Path, made: Threshold) -> None:
    file = tmp_path / "threshold.json"
    file.write_text(json.dumps(made.to_json()))
    assert read_threshold(file) == made
    assert read_result(json.loads(file.read_text()), file) == made
    assert json.loads(file.read_text())["protocol"] == "threshold"


@given(st.floats(-1e6, 1e6))
def test_a_threshold_keeps_all_its_digits(value: float) -> None:
    text = json.dumps(replace(MADE, threshold=value).to_json())
    assert json.loads(text)["threshold"] == value


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"threshold": float("nan")}, "threshold"),
        ({"threshold": "0.3"}, "threshold"),
        ({"threshold": "left out"}, "threshold"),
        ({"similarity": "manhattan"}, "similarity"),
        ({"kind": "far"}, "kind"),
        ({"kind": "fpir"}, "gallery_size"),
        ({"gallery_size": 10}, "gallery_size"),
        ({"gallery_size": 0, "kind": "fpir"}, "gallery_size"),
        ({"target": 1.5}, "target"),
        ({"confidence": 1}, "confidence"),
        ({"impostors": 0, "errors": 0}, "impostors"),
        ({"errors": 3001}, "3001 errors of 3000"),
        ({"achieved": 0.01}, "27 of 3000"),
        ({"upper_bound": 0.001}, "below 'achieved'"),
        ({"list_sha256": "abc"}, "list_sha256"),
        ({"preprocessing": [1]}, "preprocessing"),
        ({"protocol": "lfw"}, "not a calibrated threshold"),
    ],
)
def test_what_cannot_be_right_is_named(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    file = written(tmp_path, **changes)
    with pytest.raises(DataError) as error:
        read_threshold(file)
    assert problem in str(error.value)
    assert str(error.value).startswith(f"{file}: ")
    assert "nsface calibrate" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff\xfe\x00", b"PK\x03\x04", b" " * (1 << 21)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "threshold.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"threshold\.json"):
        read_threshold(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: cannot be read: no such file"):
        read_threshold(tmp_path / "none.json")


@pytest.mark.parametrize("width", [50, 80, 200])
@pytest.mark.parametrize("made", [MADE, FPIR])
def test_the_table_says_what_holds_on_other_people(made: Threshold, width: int) -> None:
    table = made.table(width)
    assert max(map(len, table.split("\n"))) <= width
    words = " ".join(table.split())
    assert "at most 1.2500 % with 95 % confidence" in words
    assert ("FNMR 2.00 % of 3,000" if made.kind == "fmr" else "FNIR 10.00 % of 3,000") in words


def test_doubtful_thresholds_say_so() -> None:
    few, unknown = replace(MADE, people=None).notes()
    assert "27 errors" in few
    assert "rule of 30" in few
    assert "do not say who is who" in unknown
    assert replace(MADE, errors=30, achieved=0.01).notes() == ()
