"""`nsface extract` with templates and ensembles, and `nsface fuse`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from nsface.embeddings import load
from nsface.synthetic import write_ytf_set
from tests.tiny_model import write_tiny_model

Run = Callable[..., Any]
CPU = ["--device", "cpu", "--precision", "fp32"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two untrained models, and videos of synthetic people with their splits."""
    folder = tmp_path_factory.mktemp("extract")
    for seed, name in enumerate(("one", "two")):
        write_tiny_model(folder / f"{name}.safetensors", seed)
    write_ytf_set(folder, folds=2, pairs=5, frames=3)
    return folder


def test_templates_score_as_frames_do(nsface: Run, place: Path, tmp_path: Path) -> None:
    images, model = place / "ytf", place / "one.safetensors"
    files = {name: tmp_path / f"{name}.npz" for name in ("frames", "folders", "splits")}
    assert nsface("extract", model, images, "-o", files["frames"], *CPU).status == 0
    depth = ["--template-depth", 2]
    folders = nsface("extract", model, images, "-o", files["folders"], *depth, "--batch-size", 7, *CPU)
    assert "templates of" in folders.err
    assert (
        nsface("extract", model, images, "-o", files["splits"], "--splits", place / "splits.txt", *CPU).status
        == 0
    )
    score = ["--splits", place / "splits.txt", "--json", "-"]
    results = {name: nsface("eval-ytf", file, *score).json for name, file in files.items()}
    scored = results["frames"]
    assert scored["frames"] > 0
    for name in ("folders", "splits"):
        assert results[name]["accuracy"] == scored["accuracy"]
        assert results[name]["auc"] == pytest.approx(scored["auc"], abs=1e-6)
        assert (results[name]["pool"], results[name]["frames"]) == ("mean", scored["frames"])
        refused = nsface("eval-ytf", files[name], *score, "--pool", "pairs")
        assert refused.status == 2
        assert "holds a template a video" in refused.err
    assert set(load(files["splits"]).names) <= set(load(files["folders"]).names)
    direct = nsface("eval-ytf", "--model", model, "--images", images, *score, *CPU).json
    assert (direct["accuracy"], direct["frames"]) == (scored["accuracy"], scored["frames"])


def test_unusable_frames_and_videos_are_named(nsface: Run, place: Path, tmp_path: Path) -> None:
    images = tmp_path / "ytf"
    for path in (place / "ytf").rglob("*.jpg"):
        target = images / path.relative_to(place / "ytf")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    frames = sorted(images.rglob("*.jpg"))
    video = frames[0].parent
    for path in video.iterdir():
        path.write_text("no face")
    name = "/".join(video.parts[-2:])
    arguments = [
        "extract",
        place / "one.safetensors",
        images,
        "-o",
        tmp_path / "t.npz",
        "--template-depth",
        2,
        *CPU,
    ]
    refused = nsface(*arguments)
    assert refused.status == 2
    assert f"3 of {len(frames)} images cannot be used: {name}/" in refused.err
    outcome = nsface(*arguments, "--skip-bad")
    assert outcome.status == 0
    assert outcome.err.count("skipped ") == 3
    assert f"1 templates have no usable image and are left out: {name}" in outcome.err
    assert f"templates of {len(frames) - 3} images" in outcome.err
    assert name not in load(tmp_path / "t.npz").names
    missing = nsface("eval-ytf", tmp_path / "t.npz", "--splits", place / "splits.txt")
    assert missing.status == 2
    assert f"have no template: {name}" in missing.err


def test_videos_of_the_list_without_frames(nsface: Run, place: Path, tmp_path: Path) -> None:
    splits = tmp_path / "splits.txt"
    lines = (place / "splits.txt").read_text().splitlines()
    fields = lines[0].split(", ")
    splits.write_text("\n".join([", ".join([*fields[:3], fields[3].split("/")[0] + "/99", "1"]), *lines[1:]]))
    arguments = [
        "extract",
        place / "one.safetensors",
        place / "ytf",
        "-o",
        tmp_path / "t.npz",
        "--splits",
        splits,
    ]
    outcome = nsface(*arguments, *CPU)
    assert outcome.status == 2
    assert "1 of the" in outcome.err
    assert "/99; names must end in Person/number/frame.jpg" in outcome.err
    assert not (tmp_path / "t.npz").exists()
    assert nsface(*arguments, "--skip-bad", *CPU).status == 0


def test_video_files_are_pooled(nsface: Run, place: Path, tmp_path: Path) -> None:
    (tmp_path / "videos" / "Ada").mkdir(parents=True)
    (tmp_path / "videos" / "Bo").mkdir()
    source = sorted((place / "ytf").rglob("*.jpg"))
    for clip, frames in (("Ada/0", source[:3]), ("Bo/1", source[3:6])):
        path = str(tmp_path / "videos" / f"{clip}.avi")
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (96, 112))
        for frame in frames:
            writer.write(np.asarray(cv2.imread(str(frame))))
        writer.release()
    arguments = ["extract", place / "one.safetensors", tmp_path / "videos", *CPU]
    assert nsface(*arguments, "-o", tmp_path / "frames.npz").status == 0
    assert load(tmp_path / "frames.npz").names[:4] == [
        *(f"Ada/0/{k:06d}.jpg" for k in range(3)),
        "Bo/1/000000.jpg",
    ]
    assert nsface(*arguments, "-o", tmp_path / "t.npz", "--template-depth", 2).status == 0
    made = load(tmp_path / "t.npz")
    assert made.names == ["Ada/0", "Bo/1"]
    assert made.meta["frames_per_template"] == [3, 3]
    deep = nsface(*arguments, "-o", tmp_path / "t.npz", "--template-depth", 3)
    assert deep.status == 2
    assert "smaller --template-depth" in deep.err


def test_an_ensemble_from_models_and_from_files(nsface: Run, place: Path, tmp_path: Path) -> None:
    models, images = [place / "one.safetensors", place / "two.safetensors"], place / "ytf"
    assert nsface("extract", *models, images, "-o", tmp_path / "both.npz", *CPU).status == 0
    for model in models:
        assert nsface("extract", model, images, "-o", tmp_path / f"{model.stem}.npz", *CPU).status == 0
    files = [tmp_path / "one.npz", tmp_path / "two.npz"]
    outcome = nsface("fuse", *files, "-o", tmp_path / "fused.npz")
    assert outcome.status == 0
    assert "embeddings of size 32 from 2 files" in outcome.err
    both, fused = load(tmp_path / "both.npz"), load(tmp_path / "fused.npz")
    assert both.names == fused.names
    np.testing.assert_allclose(both.vectors, fused.vectors, atol=1e-6)
    score = ["--splits", place / "splits.txt", "--json", "-"]
    assert nsface("eval-ytf", tmp_path / "fused.npz", *score).json["flip"] == "sum"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["extract", "model", "-o", "x.npz"], "MODEL... IMAGES"),
        (["extract", "lfw.tar", "a/model.safetensors", "-o", "x.npz"], "models are given before the images"),
        (["extract", "m", "i", "-o", "x.npz", "--splits", "s", "--template-depth", "2"], "give one"),
        (["fuse", "a.npz", "-o", "x.npz"], "two or more"),
        (["fuse", "a.npz", "b.npz", "-o", "x.txt"], ".npz"),
    ],
)
def test_wrong_arguments(nsface: Run, arguments: list[str], message: str) -> None:
    outcome = nsface(*arguments)
    assert outcome.status == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
