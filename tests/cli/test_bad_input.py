"""What a new user gets wrong: one clear line, exit status 2, nothing half-written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from nsface.embeddings import Embeddings, load, save
from nsface.synthetic import write_lfw_set, write_training_set

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
    write_training_set("train", identities=3, images=4)
    Path("recipe.yaml").write_text(RECIPE)
    return tmp_path


@pytest.fixture
def model(place: Path, nsface: Run) -> str:
    assert nsface("train", "recipe.yaml", "--data", "train", "--out", "run").status == 0
    return "run/model.safetensors"


def refused(outcome: Any, *words: str) -> None:
    assert outcome.status == 2, outcome
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1, outcome.err
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err


def write_image(path: str | Path, pixels: np.ndarray) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(Path(path).suffix, pixels)
    assert done
    Path(path).write_bytes(data.tobytes())


def an_image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (112, 96, 3), dtype=np.uint8)


def train(nsface: Run, *options: object) -> Any:
    outcome = nsface("train", "recipe.yaml", "--out", "out", *options)
    assert not Path("out", "model.safetensors").exists()
    assert not Path("out").exists(), "a refused run leaves no folder"
    return outcome


def test_training_data(place: Path, nsface: Run) -> None:
    refused(train(nsface), "--data")
    refused(train(nsface, "--data", "nowhere"), "nowhere: no such file or folder")
    Path("empty").mkdir()
    refused(train(nsface, "--data", "empty"), "empty: no images in it")
    shutil.copytree("train/0000000", "one/0000000")
    refused(train(nsface, "--data", "one"), "needs at least 2", "0000000")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"I am a text file\n", "not an image"),
        (b"", "empty file"),
        (None, "truncated image"),
    ],
)
def test_damaged_images(place: Path, nsface: Run, data: bytes | None, why: str) -> None:
    broken = Path("train/0000001/002.jpg")
    broken.write_bytes(broken.read_bytes()[:-500] if data is None else data)
    refused(train(nsface, "--data", "train"), "1 of 12 images", "0000001/002.jpg", why)


def test_image_of_one_pixel(place: Path, nsface: Run) -> None:
    write_image("train/0000001/tiny.png", np.zeros((1, 1, 3), np.uint8))
    refused(train(nsface, "--data", "train"), "0000001/tiny.png: 1×1 (height × width) where 112×96 is needed")


def test_grey_cmyk_and_transparent_images_are_used(place: Path, nsface: Run, model: str) -> None:
    write_image("kinds/A/grey.jpg", an_image()[..., 0])
    write_image("kinds/A/rgba.png", np.dstack([an_image(), np.full((112, 96), 9, np.uint8)]))
    write_image("kinds/mit Abstand/größe.png", an_image())
    pillow = pytest.importorskip("PIL.Image", reason="Pillow writes CMYK here; nothing else at hand does")
    pillow.fromarray(an_image()).convert("CMYK").save("kinds/A/cmyk.jpg")
    assert nsface("extract", model, "kinds", "-o", "kinds.npz").status == 0
    names = ["A/cmyk.jpg", "A/grey.jpg", "A/rgba.png", "mit Abstand/größe.png"]
    assert list(load("kinds.npz").names) == names


def test_options(place: Path, nsface: Run) -> None:
    refused(train(nsface, "--data", "train", "--alpha2", "-1"), "alpha2", "≥ 0", "-1")
    refused(train(nsface, "--data", "train", "--alpha2", "much"), "--alpha2", "much")
    refused(train(nsface, "--data", "train", "--head", "softmax", "--alpha2", "1"), "alpha2", "softmax")
    refused(train(nsface, "--data", "train", "--network", "resnet"), "resnet")
    refused(train(nsface, "--data", "train", "--set", "epochs"), "KEY=VALUE")
    for key in (".", "optimizer.", ".learning_rate", "optimizer..learning_rate"):
        refused(train(nsface, "--data", "train", "--set", f"{key}=3"), "KEY=VALUE")
    refused(train(nsface, "--data", "train", "--set", "epoch=3"), "epoch", "did you mean 'epochs'")
    refused(train(nsface, "--data", "train", "--epochs", "0"), "epochs")
    refused(train(nsface, "--epoch", "3"), "--epoch", "--epochs")
    refused(nsface("trian", "recipe.yaml"), "did you mean 'train'?")
    refused(nsface("eval", "x.npz"), "did you mean 'eval-lfw' or 'eval-fglfw' or 'eval-ytf' or ")
    missing = ("alpha2: softmax has no such argument", "heads with alpha2: noisy-softmax, ")
    refused(train(nsface, "--data", "train", "--head", "softmax", "--alpha2", "0.1"), *missing)
    refused(
        train(nsface, "--data", "train", "--network", "light"),
        "line: network.name: no network is called",
    )
    refused(nsface("train", "nothing.yaml"), "nothing.yaml", "no such file")


def test_output_that_cannot_be_written(place: Path, nsface: Run, model: str) -> None:
    Path("file").write_text("in the way")
    refused(nsface("train", "recipe.yaml", "--data", "train", "--out", "file/run"), "file", "--out")
    refused(nsface("extract", model, "train", "-o", "nowhere/x.npz"), "cannot write nowhere/x.npz")
    refused(nsface("extract", model, "train", "-o", "x.txt"), "x.txt", ".npz")
    before = Path(model).read_bytes()
    refused(nsface("inspect", "train", "--json", model), "no JSON object", "overwrite")
    assert Path(model).read_bytes() == before
    refused(nsface("inspect", "train", "--plots", "file", "--json", "x.json"), "folder file", "not a folder")
    assert not Path("x.json").exists()
    refused(nsface("extract", model, "", "-o", "x.npz"), "path is empty")


def test_what_is_passed_over_is_said(place: Path, nsface: Run) -> None:
    Path("elsewhere").mkdir()
    Path("train/0000009").symlink_to(Path("../elsewhere"))
    trained = nsface("train", "recipe.yaml", "--data", "train", "--out", "run")
    assert trained.status == 0
    note = "note: train: 1 passed over: 0000009 (link to a folder, not followed)\n"
    assert note in trained.err
    assert note in nsface("pack", "train", "store").err
    assert note in nsface("extract", "run/model.safetensors", "train", "-o", "x.npz").err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(place: Path, nsface: Run) -> None:
    Path("closed").mkdir(mode=0o500)
    refused(nsface("train", "recipe.yaml", "--data", "train", "--out", "closed/run"), "permission denied")


def test_extraction(place: Path, nsface: Run, model: str) -> None:
    refused(
        nsface("extract", "nothing.safetensors", "train", "-o", "x.npz"),
        "nothing.safetensors",
        "no such file",
    )
    refused(
        nsface("extract", "run", "train", "-o", "x.npz"),
        "run: a folder, not a model file",
        "model.safetensors",
    )
    refused(nsface("report", "recipe.yaml"), "recipe.yaml: no recipe.yaml in it; give a folder")
    refused(nsface("extract", "recipe.yaml", "train", "-o", "x.npz"), "recipe.yaml", "not a model file")
    write_image("large/A/1.png", np.zeros((120, 112, 3), np.uint8))
    refused(nsface("extract", model, "large", "-o", "x.npz"), "A/1.png: 120×112", "112×96")
    Path("train/0000001/text.jpg").write_text("text")
    write_image("train/0000002/tiny.png", np.zeros((1, 1, 3), np.uint8))
    refused(
        nsface("extract", model, "train", "-o", "x.npz"),
        "2 of 14",
        "0000001/text.jpg",
        "0000002/tiny.png",
        "--skip-bad",
    )
    assert not Path("x.npz").exists()

    outcome = nsface("extract", model, "train", "-o", "x.npz", "--skip-bad")
    assert outcome.status == 0
    assert "0000001/text.jpg: not an image" in outcome.err
    assert "12 embeddings" in outcome.err
    assert "2 skipped" in outcome.err
    assert len(load("x.npz").names) == 12
    refused(nsface("extract", model, "large", "-o", "y.npz", "--skip-bad"), "A/1.png")


def test_scoring(place: Path, nsface: Run) -> None:
    lfw = write_lfw_set("lfw", folds=4, pairs=5)
    names = sorted(str(path.relative_to(lfw.images)) for path in lfw.images.rglob("*.jpg"))
    vectors = np.random.default_rng(0).normal(size=(len(names), 4)).astype(np.float32)
    save("whole.npz", Embeddings(names, vectors))
    save("half.npz", Embeddings(names[::2], vectors[::2]))
    refused(
        nsface("eval-lfw", "half.npz", "--pairs", lfw.pairs), "half.npz", "have no embedding", "_0001.jpg"
    )
    text = lfw.pairs.read_text()
    Path("header.txt").write_text("ten\tfifty\n" + text.split("\n", 1)[1])
    refused(nsface("eval-lfw", "whole.npz", "--pairs", "header.txt"), "header.txt:1")
    Path("torn.txt").write_text(text[: len(text) // 2])
    refused(nsface("eval-lfw", "whole.npz", "--pairs", "torn.txt"), "torn.txt:")
    refused(nsface("eval-lfw", "whole.npz", "--pairs", "nothing.txt"), "nothing.txt", "no such file")
    refused(nsface("eval-lfw", "nothing.npz", "--pairs", lfw.pairs), "nothing.npz", "no such file")
    refused(nsface("eval-lfw", "whole.npz"), "--pairs")
    refused(nsface("compare", "whole.npz", "half.npz"), "--protocol lfw needs --pairs")
    refused(
        nsface("compare", "whole.npz", "half.npz", "--pairs", lfw.pairs, "--people", lfw.people),
        "no --people",
    )
    refused(nsface("eval-lfw", "lfw", "--pairs", lfw.pairs), "lfw")
    refused(nsface("eval-lfw", lfw.pairs, "--pairs", lfw.pairs), ".npz")
    Path("binary").write_bytes(bytes(99))
    refused(nsface("eval-lfw", "binary", "--pairs", lfw.pairs), "`nsface extract MODEL IMAGES -o FILE.npz`")
