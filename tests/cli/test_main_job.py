"""Train, extract, score: the main job as a user runs it, in real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nsface.embeddings import load
from nsface.images.decode import decode
from nsface.model import read_model
from nsface.synthetic import LfwSet, write_lfw_set, write_training_set
from tests.tiny_model import write_tiny_model

RECIPE = """\
network: {name: light-resnet, embedding_size: 32, channels: 8}
head: {name: noisy-softmax, alpha2: 0.1}
augmentation: {shift: 2}
optimizer: {learning_rate: 0.1, nesterov: true}
schedule: {kind: cosine, warmup: 1}
epochs: 6
batch_size: 32
log_every: 5
device: cpu
precision: fp32
"""
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
ENVIRONMENT = os.environ | {"PATH": PATH, "OMP_NUM_THREADS": "1"}  # all trainings with as many threads


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with spaces and other letters in its name, a recipe, training faces in a tar, and an LFW."""
    folder = tmp_path_factory.mktemp("größe mit abstand")
    write_training_set(folder / "train.tar", identities=16, images=12)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def lfw(place: Path) -> LfwSet:
    return write_lfw_set(place / "lfw", folds=4, pairs=15)


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line], cwd=folder, env=ENVIRONMENT, text=True, capture_output=True
    )


def test_the_main_job_in_one_line(place: Path, lfw: LfwSet) -> None:
    result = shell(
        "nsface train recipe.yaml --data train.tar --out run && "
        "nsface extract run/model.safetensors lfw -o lfw.npz && "
        f"nsface eval-lfw lfw.npz --pairs '{lfw.pairs}' --json - | {sys.executable} -m json.tool",
        place,
    )
    assert result.returncode == 0, result.stderr
    model, rest = result.stdout.split("\n", 1)
    assert model == "run/model.safetensors"
    scores = json.loads(rest)
    assert scores["pairs"] == 120
    assert scores["accuracy"] > 0.52
    assert "%|" not in result.stderr, "no progress bar where nobody watches"
    said = (
        r"^light-resnet with [a-z-]+: \d+ images of \d+ identities; [\d,]+ parameters; .*; plain classifier$"
    )
    assert re.search(said, result.stderr, re.MULTILINE), "what was found in the data, before it is trained on"

    again = shell(
        f"nsface eval-lfw --model run/model.safetensors --images lfw --pairs '{lfw.pairs}' --json -", place
    )
    assert json.loads(again.stdout)["accuracy"] == scores["accuracy"], (
        "from the model and from the file: the same"
    )

    # the embeddings by another route: one image at a time, through the network by hand
    network, description = read_model(place / "run" / "model.safetensors")
    embeddings = load(place / "lfw.npz")
    assert list(embeddings.names) == sorted(embeddings.names)
    for row in (0, len(embeddings.names) - 1):
        name = embeddings.names[row]
        image = torch.from_numpy(decode((lfw.images / name).read_bytes(), name).astype(np.float32))
        one = ((image - 127.5) / 128).permute(2, 0, 1)[None]
        with torch.inference_mode():
            expected = network(one) + network(one.flip(3))
        apart = torch.from_numpy(embeddings.vectors[row]) - expected[0]
        # extraction is in bfloat16 where the processor has it; by hand it is not
        bound = 2**-6 if embeddings.meta["precision"] == "bfloat16" else 1e-4
        assert apart.norm() < bound * expected.norm()
    assert embeddings.meta["preprocessing"] == description.input.model_dump()


def test_sigterm_then_resume_gives_the_bits_of_the_uninterrupted_run(place: Path, warm_python: str) -> None:
    options = ["recipe.yaml", "--data", "train.tar", "--epochs", "12", "--set", "log_every=1"]
    train = ["-m", "nsface", "train", "--quiet", *options, "--out"]
    process = subprocess.Popen(
        [sys.executable, *train, "parts"], cwd=place, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    log = place / "parts" / "log.jsonl"
    deadline = time.monotonic() + 120
    while not (log.exists() and log.stat().st_size):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with the same command and --resume" in message, "even with --quiet"
    assert len(message.splitlines()) == 1
    assert not (place / "parts" / "model.safetensors").exists()

    for out in (["parts", "--resume"], ["whole"]):
        subprocess.run(
            [warm_python, *train, *out], cwd=place, env=ENVIRONMENT, check=True, capture_output=True
        )
    parts, whole = (load_file(place / name / "model.safetensors") for name in ("parts", "whole"))
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_paths_on_standard_input(place: Path, lfw: LfwSet) -> None:
    write_tiny_model(place / "tiny.safetensors")
    result = shell(
        "find lfw -name '*_0001.jpg' | sort -r | nsface extract tiny.safetensors - -o some.npz", place
    )
    assert result.returncode == 0, result.stderr
    names = list(load(place / "some.npz").names)
    assert names == sorted(names, reverse=True)
    assert all(name.count("/") == 1 for name in names)
