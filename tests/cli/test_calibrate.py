"""`nsface calibrate`, and its file on the eval-* commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nsface.cli import main
from nsface.embeddings import Embeddings, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    own = np.repeat(random.normal(size=(40, 8)), 3, axis=0)
    vectors = (own + 0.8 * random.normal(size=own.shape)).astype(np.float32)
    names = [f"P{row // 3:02d}/{row % 3}.jpg" for row in range(len(vectors))]
    save(tmp_path / "e.npz", Embeddings(names, vectors, {"model_digest": "a" * 64, "flip": "sum"}))
    lines = [
        f"P{p:02d}/0.jpg\tP{p:02d}/1.jpg\t1\nP{p:02d}/0.jpg\tP{p - 1:02d}/2.jpg\t0\n" for p in range(1, 40)
    ]
    (tmp_path / "pairs.txt").write_text("".join(lines))
    return tmp_path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_threshold_is_found_written_and_applied(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    embeddings, file = folder / "e.npz", folder / "t.json"
    assert run("calibrate", embeddings, "--all-pairs", "--fmr", "0.02", "-o", file, "--json", "-") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(file.read_text())
    assert printed["impostors"] == 40 * 39 // 2 * 9
    assert printed["achieved"] <= 0.02 < printed["upper_bound"]
    pairs = ("--pairs", folder / "pairs.txt", "--threshold", file)
    assert run("eval-pairs", embeddings, *pairs, "--json", "-") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["at_threshold"]["threshold"] == printed["threshold"]
    assert "same set of images" in captured.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--pairs", "pairs.txt", "--fmr", "0.01"), "cannot resolve a rate of 0.01; ask for 0.077"),
        (("--all-pairs", "--fmr", "2"), "--fmr"),
        (("--fmr", "0.1"), "--fmr needs one of --pairs and --all-pairs"),
        (("--fpir", "0.1", "--gallery-size", "50"), "not extrapolated"),
    ],
)
def test_what_cannot_be_is_one_line(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    problem: str,
) -> None:
    monkeypatch.chdir(folder)
    assert run("calibrate", "e.npz", *arguments, "-o", "t.json") == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1
    assert not (folder / "t.json").exists()


@pytest.mark.parametrize("name", ["e.npz", "pairs.txt", "photo.jpg"])
def test_an_input_is_not_overwritten_by_the_threshold(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    before = (folder / name).read_bytes()
    arguments = ("--pairs", folder / "pairs.txt", "--fmr", "0.2", "-o", folder / name)
    assert run("calibrate", folder / "e.npz", *arguments) == 2
    assert "is there and is no JSON object; --output would overwrite it" in capsys.readouterr().err
    assert (folder / name).read_bytes() == before


def test_a_threshold_is_written_over_an_older_one_and_once(folder: Path) -> None:
    arguments = ("calibrate", folder / "e.npz", "--pairs", folder / "pairs.txt", "--fmr", "0.2")
    file = folder / "t.json"
    assert run(*arguments, "-o", file) == run(*arguments, "-o", file) == 0
    assert run(*arguments, "-o", file, "--json", file) == 2


def test_the_bound_at_even_odds(folder: Path) -> None:
    arguments = ("--pairs", folder / "pairs.txt", "--fmr", "0.2", "--confidence", "0.5")
    assert run("calibrate", folder / "e.npz", *arguments, "-o", folder / "t.json") == 0
    made = json.loads((folder / "t.json").read_text())
    assert made["achieved"] < made["upper_bound"] < 0.5
