"""`nsface runs`: from folders to a table, or JSON, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.report.made import lfw
from tests.report.run_folders import write_run

Run = Callable[..., Any]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for seed, (softmax, noisy) in enumerate([(0.90, 0.92), (0.91, 0.925), (0.905, 0.93)]):
        write_run(Path("runs") / f"softmax-seed{seed}", seed=seed, lfw=lfw(softmax))
        write_run(Path("runs") / f"noisy-seed{seed}", head="noisy-softmax", seed=seed, lfw=lfw(noisy))
    return tmp_path


def test_table_and_json(runs: Path, nsface: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    outcome = nsface("runs", "runs", "--sort", "LFW", "--against", "softmax", "--json", "all.json")
    assert (outcome.status, outcome.err) == (0, "")
    assert all(len(line) <= 100 for line in outcome.out.splitlines())
    first = outcome.out.splitlines()[1].split()
    assert first == ["runs/noisy-seed2", "noisy-softmax", "2", "20", "1.25", "50.00", "93.00", *first[7:]]
    assert "runs/noisy against runs/softmax: better on LFW" in outcome.out
    content = json.loads(Path("all.json").read_text())
    assert content["runs"][0]["recipe"] == {"head.name": "noisy-softmax", "seed": 2}
    assert content["runs"][0]["scores"] == {"LFW": 0.93}
    assert nsface("runs", "runs", "--sort", "LFW", "--against", "softmax", "--json", "-").json == content


def test_torch_is_not_imported(runs: Path) -> None:
    code = (
        "import sys; from nsface.cli import main\n"
        "try: main(['runs', 'runs'])\nexcept SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'cv2'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=runs, capture_output=True, text=True, check=True)
    assert "runs/noisy-seed0" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("nsface runs runs --sort l", ["loss"]),
        ("nsface runs runs --sort h", ["head.name"]),
        ("nsface runs runs --against runs/s", ["runs/softmax"]),
        ("nsface runs nowhere --against r", []),
    ],
)
def test_the_shell_completes_columns_and_groups(
    runs: Path, nsface: Run, monkeypatch: pytest.MonkeyPatch, words: str, expected: list[str]
) -> None:
    monkeypatch.setenv("_NSFACE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert nsface().out.split() == [f"plain,{word}" for word in expected]


def test_what_cannot_be_listed(runs: Path, nsface: Run) -> None:
    (runs / "empty").mkdir()
    for given, said in {
        "empty": "empty: no run folder there or below; `nsface train --out` makes them",
        "nowhere": "nowhere: cannot be read: no such file or directory",
        "runs --sort x": "--sort x: no such column",
        "runs --against x": "--against x: no such group; there are runs/noisy, runs/softmax",
    }.items():
        outcome = nsface("runs", *given.split())
        assert (outcome.status, outcome.out) == (2, "")
        assert outcome.err.startswith(f"nsface: {said}")
    Path("runs/noisy-seed1/recipe.yaml").write_text("[")
    outcome = nsface("runs", "runs")
    assert outcome.status == 0
    assert "not read:\n  runs/noisy-seed1/recipe.yaml: " in outcome.out
