"""Saturation of runs: read from the log, drawn in the format asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nsface.errors import DataError, NsfaceError
from nsface.report.runs import Run
from nsface.report.saturation import draw_saturation, measures, quarters


def run(lines: list[Any], folder: Path = Path("run")) -> Run:
    return Run(folder, "run", {}, "", {}, lines, {})


def line(step: int, p: float) -> dict[str, float]:
    return {"step": step, "loss": 1.0, "probability": p, "saturated": p / 10, "gradient": 1 - p}


def test_measures_are_the_log_s() -> None:
    found = measures(run([line(50, 0.1), line(100, 0.25), line(130, 0.5)]))
    assert found["step"].tolist() == [50, 100, 130]
    assert found["probability"].tolist() == [0.1, 0.25, 0.5]
    assert found["saturated"].tolist() == [0.01, 0.025, 0.05]
    assert found["gradient"].tolist() == [0.9, 0.75, 0.5]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"log\.jsonl: no line in it yet"),
        ([line(50, 0.1), {"step": 100, "loss": 1.0}], r"log\.jsonl:2: no number for 'probability'"),
        ([line(50, 0.1) | {"gradient": None}], r"log\.jsonl:1: no number for 'gradient'"),
        ([line(50, 0.1) | {"saturated": float("nan")}], r"log\.jsonl:1: no number for 'saturated'"),
        (["text"], r"log\.jsonl:1: no number for 'step'"),
        ([line(50, 0.1), line(50, 0.2)], r"log\.jsonl:2: step 50 does not come after"),
    ],
)
def test_logs_that_cannot_be_used(lines: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        measures(run(lines))


def test_quarters_are_the_last_lines_within_them() -> None:
    found = measures(run([line(step, 0.5) for step in (10, 25, 49, 51, 60, 100)]))
    assert [int(found["step"][place]) for place in quarters(found)] == [25, 49, 60, 100]
    assert quarters(measures(run([line(7, 0.5)]))) == [0]


@pytest.mark.parametrize(
    ("ending", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG\r\n\x1a\n"), ("pdf", b"%PDF-")]
)
def test_figure(tmp_path: Path, ending: str, magic: bytes) -> None:
    softmax = measures(run([line(50, 0.1), line(100, 0.5)]))
    noisy = measures(run([line(50, 0.05), line(150, 0.4)]))
    path = tmp_path / f"figure.{ending}"
    draw_saturation(path, {"Softmax": [softmax, softmax], "Noisy Softmax": [noisy]})
    data = path.read_bytes()
    assert data.startswith(magic)
    assert list(tmp_path.iterdir()) == [path]
    if ending == "svg":
        assert data.count(b"<!-- Noisy Softmax -->") == 1, "one entry in the legend a method"
        assert data.count(b"<!-- step -->") == 3


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NsfaceError, match=r"figure\.gif: name a figure that ends in \.svg, \.png or \.pdf"):
        draw_saturation(tmp_path / "figure.gif", {"run": [measures(run([line(1, 0.5)]))]})
    assert not list(tmp_path.iterdir())
