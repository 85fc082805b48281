"""The script that kills trainings finds no difference where there is none, and every one that there is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import killing
import pytest
import torch
from kills import differences

from nsface.recipe.schema import Recipe
from nsface.training.run import train
from tests.small_faces import write_small_faces
from tests.training.conftest import SETTINGS

ROOT = Path(__file__).resolve().parents[2]


def test_runs_that_are_killed_end_as_one_that_is_not() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "--kills=1", "--settings", "one-process"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kills, *moments = map(int, re.findall(r"\| one-process \|(.*)\|", done.stdout)[0].split("|")[:5])
    assert kills == sum(moments) == 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    faces = write_small_faces(folder / "faces", identities=2, images=6)
    train(Recipe.model_validate(SETTINGS | {"data": str(faces), "epochs": 2, "log_every": 1}), folder / "run")
    return folder / "run"


def with_state(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def changed(run: Path) -> None:
        path = run / "checkpoints" / "latest.pt"
        state = torch.load(path)
        change(state)
        torch.save(state, path)

    return changed


def with_log(**values: float) -> Callable[[Path], object]:
    def changed(run: Path) -> None:
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        lines[-1] |= values
        (run / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    return changed


def flip_last_bit(run: Path) -> None:
    content = bytearray((run / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (run / "model.safetensors").write_bytes(content)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda run: None, []),
        (with_log(images_per_second=1.0), []),
        (with_log(loss=1.0), ["another log.jsonl"]),
        (lambda run: (run / "log.jsonl").write_text(""), ["another log.jsonl"]),
        (
            lambda run: (run / "log.csv").write_text((run / "log.csv").read_text().replace("0.", "1.")),
            ["another log.csv"],
        ),
        (flip_last_bit, ["another model.safetensors"]),
        (with_state(lambda state: state["head"]["weight"][0].neg_()), ["another state: state.head.weight"]),
        (with_state(lambda state: state.update(step=3)), ["another state: state.step"]),
        (with_state(lambda state: state["head"].update(x=torch.zeros(1))), ["another state: state.head.x"]),
        (
            lambda run: (run / "checkpoints" / ".latest.pt.part0.pt").write_bytes(b""),
            ["checkpoints/.latest.pt.part0.pt is in one folder only"],
        ),
        (lambda run: (run / "environment.json").unlink(), ["environment.json is in one folder only"]),
    ],
)
def test_every_difference_is_named(
    whole: Path, tmp_path: Path, change: Callable[[Path], object], found: list[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    change(run)
    assert differences(whole, run) == found


def test_what_stays_in_shared_memory_is_found_and_what_vanishes_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(killing, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(killing, "SECONDS_TO_VANISH", 1.0)
    (tmp_path / "before").touch()
    before = killing.shared_memory()
    (tmp_path / "stays").touch()
    (tmp_path / "vanishes").touch()
    with (tmp_path / "used").open("w"):
        threading.Timer(0.3, (tmp_path / "vanishes").unlink).start()
        assert killing.left_in_shared_memory(before) == ["stays"]
