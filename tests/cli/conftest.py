"""Run the command line in this process, on embeddings and lists of forty people."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nsface.cli import main
from tests.cli.evaluation import PEOPLE, made


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def nsface(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Call `nsface ARGUMENTS…`; its status, standard output and standard error."""

    def run(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(int(exit_.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    names = [f"{person}/{person}_{i:04d}.jpg" for person in PEOPLE for i in range(1, 5)]
    return made(tmp_path / "faces.npz", names)


@pytest.fixture
def own_pairs(tmp_path: Path) -> Path:
    lines = []
    for a, b in zip(PEOPLE[::2], PEOPLE[1::2], strict=True):
        lines += [f"{a}/{a}_0001.jpg\t{a}/{a}_000{i}.jpg\t1\n" for i in (2, 3, 4)]
        lines += [f"{a}/{a}_0001.jpg\t{b}/{b}_000{i}.jpg\t0\n" for i in (2, 3, 4)]
    path = tmp_path / "own.tsv"
    path.write_text("".join(lines))
    return path


@pytest.fixture
def ijb_lists(tmp_path: Path) -> tuple[list[str], list[object]]:
    """Names of faces, and the options with two lists of 80 templates and 1,600 pairs."""
    names = [f"{person}/{i}.jpg" for person in PEOPLE for i in range(6)]
    faces = [f"{name} {2 * (k // 6) + (k % 6) // 3} {k // 2}" for k, name in enumerate(names)]
    (tmp_path / "faces.txt").write_text("\n".join(faces))
    pairs = [f"{2 * i} {2 * j + 1} {int(i == j)}" for i in range(40) for j in range(40)]
    (tmp_path / "pairs.txt").write_text("\n".join(pairs))
    return names, ["--faces", tmp_path / "faces.txt", "--pairs", tmp_path / "pairs.txt"]
