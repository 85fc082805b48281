"""`nsface extract` of paths on standard input, of photographs, and in several processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.embeddings import load
from tests.images.alignment.test_alignment import POINTS
from tests.images.pictures import encoded, picture
from tests.tiny_model import write_tiny_model

Run = Callable[..., Any]
Started = Callable[..., "subprocess.Popen[bytes]"]
OPTIONS = ["--device", "cpu", "--precision", "fp32", "--batch-size", "4", "--flip", "none"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model and eleven crops, three names of which have a line break, a blank or a tab."""
    write_tiny_model(tmp_path / "model.safetensors")
    odd = {2: "line\nbreak", 5: " blank ", 7: "a\ttab"}
    for number in range(11):
        path = tmp_path / "faces" / f"p{number % 2}" / f"{odd.get(number, '')}{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(112, 96, seed=number)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def started(warm_python: str) -> Started:
    """`started(*arguments)` is `nsface extract model.safetensors ARGUMENTS…` in a process of its own."""

    def start(*arguments: str, **settings: Any) -> subprocess.Popen[bytes]:
        command = [warm_python, "-m", "nsface", "extract", "model.safetensors", *arguments, *OPTIONS]
        return subprocess.Popen(command, stderr=subprocess.PIPE, **settings)

    return start


def paths() -> list[str]:
    return sorted(str(path) for path in Path("faces").rglob("*.png"))


def test_paths_are_worked_on_as_they_arrive(nsface: Run, started: Started, place: Path) -> None:
    simple = [path for path in paths() if path.isprintable() and " " not in path]
    assert len(simple) == 8
    Path("list.txt").write_text("\n".join(simple))
    assert nsface("extract", "model.safetensors", "list.txt", "-o", "list.npy", *OPTIONS).status == 0
    process = started("-", "-o", "piped.npy", stdin=subprocess.PIPE)
    assert process.stdin is not None
    journal = Path("piped.npy.partial/journal.jsonl")
    try:
        for number, path in enumerate(simple):
            process.stdin.write(f"{path}\n".encode())
            process.stdin.flush()
            if number in (3, 7):  # a batch is full
                wait_for_lines(journal, 1 + (number + 1) // 4, process)
    finally:
        process.stdin.close()
    assert process.wait(60) == 0
    for suffix in (".npy", ".names.txt", ".meta.json"):
        assert Path(f"piped{suffix}").read_bytes() == Path(f"list{suffix}").read_bytes()


def wait_for_lines(file: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if file.exists() and file.read_bytes().count(b"\n") == count:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError(f"no {count} lines in {file}")


def test_names_of_any_bytes(nsface: Run, started: Started, place: Path) -> None:
    """As of `find -print0`: a folder of the same images gives the same embeddings."""
    process = started("-", "-0", "-o", "piped.npz", stdin=subprocess.PIPE)
    _, err = process.communicate("\0".join([*paths(), ""]).encode(), timeout=120)
    assert process.returncode == 0, err
    assert nsface("extract", "model.safetensors", "faces", "-o", "folder.npz", *OPTIONS).status == 0
    piped, folder = load("piped.npz"), load("folder.npz")
    assert sorted(piped.names) == sorted(folder.names)
    assert any("\\x0a" in name for name in piped.names)
    np.testing.assert_allclose(piped.vectors, folder.vectors[folder.rows(piped.names)], atol=1e-5)


@pytest.mark.parametrize(
    ("given", "arguments", "message"),
    [
        (b"", (), "standard input: no images in it"),
        (b"faces/none.png\n", (), "standard input:1: no such image"),
        (b"x" * 100_000, (), "give -0 if paths end with NUL"),
        (b"", ("--template-depth", "1"), "standard input: no images in it"),
    ],
)
def test_wrong_standard_input(
    started: Started, place: Path, given: bytes, arguments: tuple[str, ...], message: str
) -> None:
    process = started("-", "-o", "x.npz", *arguments, stdin=subprocess.PIPE)
    _, err = process.communicate(given, timeout=120)
    assert (process.returncode, err.count(b"\n")) == (2, 1)
    assert message in err.decode()
    assert not Path("x.npz.partial").exists()


def test_an_error_does_not_wait_for_the_end_of_standard_input(place: Path) -> None:
    with subprocess.Popen(["sleep", "600"], stdout=subprocess.PIPE) as open_pipe:
        command = [sys.executable, "-m", "nsface", "extract", "model.safetensors", "-", "-o", "x.npz"]
        process = subprocess.Popen(command, stdin=open_pipe.stdout, stderr=subprocess.DEVNULL)
        time.sleep(0.1)
        process.terminate()
        try:
            assert process.wait(60) in (130, -15)
        finally:
            open_pipe.kill()


def test_photographs_are_aligned_as_by_nsface_align(nsface: Run, place: Path) -> None:
    lines = []
    for number in range(9):
        path = Path("photos", f"p{number % 2}", f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(200, 150, seed=number)))
        points = np.array(POINTS) * 1.2 + number
        points = points[[1, 0, 2, 4, 3]] if number == 4 else points  # mirrored: no face
        lines.append(f"p{number % 2}/{number}.png " + " ".join(f"{x:.2f}" for x in points.ravel()))
    Path("points.txt").write_text("\n".join(lines))
    given = ["--landmarks", "points.txt"]
    assert nsface("align", "photos", "crops", *given, "--format", "png", "--skip-bad").status == 0
    extract = ["extract", "model.safetensors"]
    assert nsface(*extract, "crops", "-o", "crops.npy", *OPTIONS).status == 0
    refused = nsface(*extract, "photos", "-o", "x.npy", "--align", *given, *OPTIONS)
    assert refused.status == 2
    why = "p0/4.png: points.txt:5: the points are not those of a face"
    assert f"1 of 9 images cannot be used: {why}" in refused.err
    done = nsface(*extract, "photos", "-o", "photos.npy", "--align", *given, "--skip-bad", *OPTIONS)
    assert done.status == 0
    assert f"skipped {why}" in done.err
    one, other = load("crops.npy"), load("photos.npy")
    assert list(one.names) == list(other.names)
    np.testing.assert_allclose(np.asarray(one.vectors), np.asarray(other.vectors), atol=1e-5)
    said = {"template": "sphereface", "size": [112, 96], "detector": "landmarks"}
    assert one.meta["alignment"] == said
    assert other.meta["alignment"].items() >= said.items()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--align"], "either --detector yunet|mtcnn or --landmarks"),
        (["--detector", "mtcnn"], "go with --align"),
        (["--align", "--detector", "yunet"], "--detector-model FILE is YuNet's"),
        (["-0"], "give - for IMAGES"),
    ],
)
def test_usage(nsface: Run, place: Path, arguments: list[str], message: str) -> None:
    outcome = nsface("extract", "model.safetensors", "faces", "-o", "x.npz", *arguments)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert message in outcome.err
    assert sorted(os.listdir()) == ["faces", "model.safetensors"]
