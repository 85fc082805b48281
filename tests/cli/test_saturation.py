"""`nsface saturation` on the log of a real, short training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nsface.synthetic import write_training_set

Run = Callable[..., Any]
RECIPE = """\
network: {name: light-resnet, embedding_size: 8, channels: 8}
head: {name: noisy-softmax}
epochs: 2
batch_size: 8
log_every: 1
device: cpu
precision: fp32
"""


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nsface: Run) -> Path:
    monkeypatch.chdir(tmp_path)
    write_training_set("train", identities=4, images=8)
    Path("recipe.yaml").write_text(RECIPE)
    assert nsface("train", "recipe.yaml", "--data", "train", "--out", "runs/noisy").status == 0
    shutil.copytree("runs/noisy", "runs/other")
    return tmp_path


def refused(outcome: Any, *words: str) -> None:
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1), outcome
    for word in words:
        assert word in outcome.err


def test_table_figure_and_json(trained: Path, nsface: Run) -> None:
    log = [json.loads(line) for line in Path("runs/noisy/log.jsonl").read_text().splitlines()]
    outcome = nsface("saturation", "runs/noisy", "runs/other", "-o", "figure.svg", "--json", "all.json")
    assert outcome.status == 0
    rows = [row.split() for row in outcome.out.splitlines()]
    assert len(rows) == 1 + 2 * 4
    assert [row[0] for row in rows[1:]] == ["noisy", "4", "6", "8", "other", "4", "6", "8"]
    assert rows[4] == ["8", *(s for f in FIELDS for s in (f"{100 * log[-1][f]:.2f}", "%"))]
    assert "noisy" in Path("figure.svg").read_text()

    result = json.loads(Path("all.json").read_text())
    assert [run["run"] for run in result["runs"]] == ["noisy", "other"]
    for point, line in zip(result["runs"][0]["points"], log, strict=True):
        assert point == pytest.approx({key: line[key] for key in ("step", *FIELDS)}, rel=1e-8)
    assert nsface("saturation", "runs/noisy", "runs/other", "--json", "-").json == result


FIELDS = ("probability", "saturated", "gradient")


def test_missing_and_torn_logs(trained: Path, nsface: Run) -> None:
    refused(nsface("saturation"), "RUN")
    refused(nsface("saturation", "nowhere"), "nowhere")
    refused(nsface("saturation", "runs/noisy", "-o", "figure.gif"), "figure.gif", ".svg")
    refused(nsface("saturation", "runs/noisy", "-o", "nowhere/figure.svg"), "nowhere", "no such folder")
    log = Path("runs/other/log.jsonl")
    whole = log.read_text()
    torn = whole.splitlines(keepends=True)
    torn[2] = torn[2][:20] + "\n"
    log.write_text("".join(torn))
    refused(nsface("saturation", "runs/noisy", "runs/other", "-o", "figure.svg"), "other/log.jsonl:3")
    assert not Path("figure.svg").exists()
    log.write_text("")
    refused(nsface("saturation", "runs/other"), "other/log.jsonl: no line in it yet")
    log.unlink()
    refused(nsface("saturation", "runs/other"), "other", "log.jsonl")
