"""`nsface pack` and `nsface inspect` as a user runs them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.embeddings import load
from nsface.synthetic import write_training_set

Run = Callable[..., Any]
RECIPE = """\
network: {name: light-resnet, embedding_size: 8, channels: 8}
head: {name: noisy-softmax}
epochs: 1
batch_size: 8
device: cpu
precision: fp32
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_training_set("train.tar", identities=3, images=8)
    Path("recipe.yaml").write_text(RECIPE)
    return tmp_path


def refused(outcome: Any, *words: str) -> None:
    assert outcome.status == 2, outcome
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1, outcome.err
    for word in words:
        assert word in outcome.err


def test_training_and_extraction_from_the_store_give_the_same_bits(place: Path, nsface: Run) -> None:
    outcome = nsface("pack", "train.tar", "store")
    assert (outcome.status, outcome.out) == (0, "")
    assert "store: 24 images of 3 identities" in outcome.err
    for data in ("train.tar", "store"):
        assert nsface("train", "recipe.yaml", "--data", data, "--out", f"run-{data}").status == 0
        model = f"run-{data}/model.safetensors"
        assert nsface("extract", model, data, "-o", f"{data}.npz").status == 0
    one, other = load("train.tar.npz"), load("store.npz")
    assert list(one.names) == list(other.names)
    assert np.array_equal(one.vectors, other.vectors)


def test_to_a_folder_and_back(place: Path, nsface: Run) -> None:
    assert nsface("pack", "train.tar", "store", "--encoded").status == 0
    assert nsface("pack", "store", "folder", "--folder").status == 0
    assert sorted(os.listdir("folder")) == ["0000000", "0000001", "0000002"]
    assert nsface("pack", "folder", "again", "--encoded").status == 0
    assert Path("again/images.bin").read_bytes() == Path("store/images.bin").read_bytes()
    refused(nsface("pack", "folder", "again"), "again exists and is not an empty folder")
    refused(nsface("pack", "folder", "x", "--folder", "--encoded"), "--encoded")
    refused(nsface("pack", "nowhere", "x"), "nowhere: no such file or folder")
    refused(nsface("pack", "folder", "no/where"), "cannot write no/where.partial")
    Path("folder/0000001/bad.jpg").write_text("text")
    refused(nsface("pack", "folder", "x"), "1 of 25 images", "0000001/bad.jpg: not an image", "--skip-bad")
    outcome = nsface("pack", "folder", "x", "--skip-bad")
    assert outcome.status == 0
    assert "left out 0000001/bad.jpg: not an image" in outcome.err
    assert "x: 24 images of 3 identities, 1 left out" in outcome.err


def test_inspect_prints_a_table_or_json(place: Path, nsface: Run) -> None:
    outcome = nsface("inspect", "train.tar", "--plots", "looks")
    assert outcome.status == 0
    assert "images per identity     min 8, median 8, max 8" in outcome.out
    assert "112×96 (24)" in outcome.out
    assert Path("looks/mean-face.png").is_file()
    result = nsface("inspect", "train.tar", "--json", "-").json
    stable = {"kind", "images", "identities", "images_per_identity", "unreadable", "duplicates", "sizes"}
    assert stable <= result.keys()
    assert (result["kind"], result["images"], result["identities"]) == ("tar", 24, 3)


def test_inspect_names_faults(place: Path, nsface: Run) -> None:
    assert nsface("pack", "train.tar", "faces", "--folder").status == 0
    Path("faces/0000001/bad.jpg").write_text("text")
    Path("faces/0000002/.hidden.jpg").touch()
    outcome = nsface("inspect", "faces")
    assert outcome.status == 0
    assert "unreadable              1: 0000001/bad.jpg (not an image" in outcome.out
    assert "passed over             1: 0000002/.hidden.jpg (hidden file)" in outcome.out


def test_deep(place: Path, nsface: Run) -> None:
    refused(nsface("inspect", "train.tar", "--deep"), "train.tar is a tar", "packed stores")
    assert nsface("pack", "train.tar", "store").status == 0
    assert nsface("inspect", "store", "--deep", "--json", "-").json["damaged"] == []
    data = bytearray(Path("store/pixels.npy").read_bytes())
    data[5000] ^= 1
    Path("store/pixels.npy").write_bytes(data)
    outcome = nsface("inspect", "store", "--deep")
    assert outcome.status == 0
    assert "24 images do not match their checksum" in outcome.out


def test_paths_on_standard_input_that_are_not_utf8(place: Path, nsface: Run, warm_python: str) -> None:
    assert nsface("pack", "train.tar", "faces", "--folder").status == 0
    assert nsface("train", "recipe.yaml", "--data", "faces", "--out", "run").status == 0
    os.rename("faces/0000000/001.jpg", b"faces/0000000/\xe9.jpg")
    command = [warm_python, "-m", "nsface", "extract", "run/model.safetensors", "-", "-o", "x.npz"]
    paths = b"faces/0000000/\xe9.jpg\nfaces/0000000/002.jpg\n"
    done = subprocess.run(command, input=paths, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert list(load("x.npz").names) == ["0000000/\\xe9.jpg", "0000000/002.jpg"]


def test_a_killed_command_goes_on(place: Path, nsface: Run) -> None:
    """SIGKILL at whatever moment it comes; the store is that of a run without it."""
    assert nsface("pack", "train.tar", "faces", "--folder").status == 0
    for number in range(50):
        shutil.copytree("faces", f"more/{number}")
    command = [sys.executable, "-m", "nsface", "pack", "more", "store"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while not Path("store.partial/journal.jsonl").exists() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    if process.returncode == -signal.SIGKILL:
        assert not Path("store").exists()
        assert subprocess.run(command, capture_output=True).returncode == 0
    assert subprocess.run([*command[:-1], "whole"], capture_output=True).returncode == 0
    for name in os.listdir("whole"):
        assert Path("store", name).read_bytes() == Path("whole", name).read_bytes()
    assert json.loads(Path("store/header.json").read_text())["images"] == 1200


def test_what_is_not_read_and_who_is_nobody_is_counted_in_one_line(place: Path, nsface: Run) -> None:
    assert nsface("pack", "train.tar", "faces", "--folder").status == 0
    images = sorted(Path("faces").rglob("*.jpg"))
    for name in ("1.gif", "2.heic"):
        (images[0].parent / name).write_bytes(b"x")
    labels = [f"{path.relative_to('faces')}\t{number % 3 - 1}\n" for number, path in enumerate(images)]
    Path("faces/list.txt").write_text("".join(labels))
    points = "30.3 51.7 65.5 51.5 48.0 71.7 33.5 92.4 62.7 92.2"
    Path("points.txt").write_text("".join(f"{path.relative_to('faces')} {points}\n" for path in images))
    align = ("--landmarks", "points.txt")
    Path("run").mkdir()
    train = nsface("train", "recipe.yaml", "--data", "faces", "--out", "run/a")
    model = "run/a/model.safetensors"
    for outcome in (
        train,
        nsface("extract", model, "faces", "-o", "faces.npz"),
        nsface("align", "faces", "aligned", *align),
        nsface("pack", "faces", "store"),
    ):
        assert outcome.status == 0
        lines = [line for line in outcome.err.splitlines() if "not read" in line]
        assert len(lines) == 1, outcome.err
        assert "faces: 2 passed over: " in lines[0]
    for outcome in (
        nsface("train", "recipe.yaml", "--data", "faces/list.txt", "--out", "run/b"),
        nsface("extract", model, "faces/list.txt", "-o", "list.npz"),
        nsface("align", "faces/list.txt", "aligned-list", *align),
        nsface("pack", "faces/list.txt", "store-list"),
    ):
        assert outcome.status == 0
        lines = [line for line in outcome.err.splitlines() if "negative" in line]
        assert len(lines) == 1, outcome.err
        assert "8 of 24 images have no label or a negative one" in lines[0]
    assert json.loads(Path("run/b/environment.json").read_text())["images"] == 16
    assert len(load("list.npz").names) == 24
    found = nsface("inspect", "store-list", "--json", "-").json
    assert (found["images"], found["identities"], found["without_identity"]) == (24, 2, 8)
