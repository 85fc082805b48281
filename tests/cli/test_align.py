"""`nsface align`, `overlap` and `fetch` as a user runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from nsface.embeddings import Embeddings, save
from nsface.recipe.schema import load_recipe

Run = Callable[..., Any]
POINTS = "30.2946 51.6963 65.5318 51.5014 48.0252 71.7366 33.5493 92.3655 62.7299 92.2041"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty images, one of them broken, and points for all but one of the others."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    lines = []
    for number in range(40):
        name = f"{number % 4}/{number}.png"
        Path("faces", str(number % 4)).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"faces/{name}", random.integers(0, 256, (112, 96, 3), dtype=np.uint8))
        lines.append(f"{name} {POINTS}\n")
    Path("faces/0/0.png").write_bytes(b"")
    Path("points.txt").write_text("".join(lines[:-1]))
    return tmp_path


def content(folder: str) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def test_align_names_what_it_leaves_out_and_keeps_the_rest(nsface: Run, place: Path) -> None:
    arguments = ("align", "faces", "out", "--landmarks", "points.txt", "--format", "png")
    outcome = nsface(*arguments)
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "2 of 40 images" in outcome.err
    assert Path("out/left_out.txt").read_text() == "0/0.png\tempty file\n3/39.png\tnot in points.txt\n"
    np.testing.assert_array_equal(cv2.imread("out/1/5.png"), cv2.imread("faces/1/5.png"))
    before = content("out")
    assert nsface(*arguments, "--skip-bad").status == 0
    assert content("out") == before
    other = nsface(*arguments, "--template", "arcface")
    assert other.status == 2
    assert "another call" in other.err
    again = nsface(
        "align", "faces", "again", "--landmarks", "out/landmarks.txt", "--format", "png", "--skip-bad"
    )
    assert again.status == 0
    np.testing.assert_array_equal(cv2.imread("again/1/5.png"), cv2.imread("faces/1/5.png"))


def test_align_killed_goes_on_to_the_same_bytes(nsface: Run, place: Path) -> None:
    options = ["--landmarks", "points.txt", "--skip-bad"]
    assert nsface("align", "faces", "whole", *options).status == 0
    process = subprocess.Popen([sys.executable, "-m", "nsface", "align", "faces", "killed", *options])
    deadline = time.monotonic() + 60
    while not list(Path("killed").glob("*/*.jpg")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert nsface("align", "faces", "killed", *options, "--workers", 3).status == 0
    assert content("killed") == content("whole"), "nothing half-written is left either"


def test_align_removes_what_a_killed_call_left(nsface: Run, place: Path) -> None:
    options = ["--landmarks", "points.txt", "--skip-bad"]
    assert nsface("align", "faces", "whole", *options).status == 0
    assert nsface("align", "faces", "killed", *options).status == 0
    Path("killed/align.json").unlink()
    journal = Path("killed/.align.journal").read_bytes().splitlines(keepends=True)
    Path("killed/.align.journal").write_bytes(b"".join(journal[:20]) + journal[20][:9])
    for name in (
        ".align.unfinished/7.jpg",
        ".landmarks.txt.abc.txt",
        ".left_out.txt.0.txt",
        ".align.json.x.json",
    ):
        Path("killed", name).parent.mkdir(exist_ok=True)
        Path("killed", name).write_bytes(b"half")
    assert nsface("align", "faces", "killed", *options).status == 0
    assert content("killed") == content("whole")


def test_align_usage(nsface: Run, place: Path) -> None:
    for options, wanted in (
        ((), "either --detector"),
        (("--detector", "yunet"), "--detector-model"),
        (("--detector", "yunet", "--model", "none.onnx"), "none.onnx"),
        (
            ("--landmarks", "points.txt", "--template", "x"),
            "no template is called 'x'; there are: sphereface",
        ),
    ):
        outcome = nsface("align", "faces", "out", *options)
        assert (outcome.status, outcome.err.count("\n")) == (2, 1)
        assert wanted in outcome.err
        assert not Path("out").exists()


def test_overlap_finds_people_by_score_and_by_name(nsface: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    people = random.normal(size=(9, 32)).astype(np.float32)

    def embeddings(identities: dict[str, int]) -> Embeddings:
        names = [f"{identity}/{i}.jpg" for identity in identities for i in range(3)]
        rows = people[[person for person in identities.values() for _ in range(3)]]
        noise = random.normal(size=rows.shape) * 0.2
        return Embeddings(names, (rows + noise).astype(np.float32), {"model_digest": "m"})

    train, test = tmp_path / "train.npz", tmp_path / "test.npz"
    save(train, embeddings({"n1": 0, "n2": 1, "n3": 2, "josé-diaz": 3}))
    save(test, embeddings({"Ann_A": 5, "Bob_B": 1, "Jose_Diaz": 6, "Cy_C": 7}))
    exclude = tmp_path / "exclude.txt"
    found = nsface("overlap", train, test, "--threshold", 0.8, "--exclude", exclude, "--json", "-").json
    assert found["found"] == ["n2", "josé-diaz"]
    best = found["matches"][0]
    assert (best["person"], best["by_name"], best["score"] > 0.9) == ("Bob_B", False, True)
    by_lead = nsface("overlap", train, test, "--sort", "lead", "--json", "-").json["matches"]
    assert [match["identity"] for match in by_lead[:2]] == ["josé-diaz", "n2"]  # the found first
    leads = [match["lead"] for match in by_lead[1:]]
    assert leads == sorted(leads, reverse=True)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("head: {name: softmax}\nnetwork: {name: light-resnet}\nepochs: 1\n")
    assert load_recipe(recipe, {"exclude": str(exclude)}).exclude == ["josé-diaz", "n2"]
    (tmp_path / "names.txt").write_text('n3,"Cy_C"\n')
    named = nsface("overlap", train, test, "--names", tmp_path / "names.txt", "--json", "-").json
    assert set(named["found"]) == {"n3", "josé-diaz"}


def test_overlap_finds_pictures_that_are_in_both(nsface: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    faces = [cv2.GaussianBlur(random.integers(0, 256, (112, 96, 3), np.uint8), (0, 0), 3) for _ in range(8)]
    sets = {
        "train": {"n1/a": 0, "n1/b": 1, "n2/a": 2, "n3/a": 3},
        "test": {"Ann/1": 4, "Bob/1": 2, "Bob/2": 6},
    }
    for name, images in sets.items():
        for path, face in images.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            # the picture that is in both was cut again: at another size, and as another kind of file
            size, end = ((96, 112), "png") if name == "train" else ((80, 94), "jpg")
            cv2.imwrite(str(tmp_path / name / f"{path}.{end}"), cv2.resize(faces[face], size))
        vectors = random.normal(size=(len(images), 8)).astype(np.float32)
        names = [f"{path}.png" for path in images]
        save(tmp_path / f"{name}.npz", Embeddings(names, vectors, {"model_digest": "m"}))
    files = (tmp_path / "train.npz", tmp_path / "test.npz")
    where = ("--train-images", tmp_path / "train", "--test-images", tmp_path / "test")
    assert nsface("overlap", *files, "--json", "-").json["found"] == []
    found = nsface("overlap", *files, "--pictures", *where, "--json", "-").json
    assert found["found"] == ["n2"]
    match = next(match for match in found["matches"] if match["identity"] == "n2")
    assert (match["person"], match["by_picture"]) == ("Bob", True)
    assert match["images"] == ["n2/a.png", "Bob/1.png"]
    assert "picture" in nsface("overlap", *files, "--pictures", *where).out
    assert nsface("overlap", *files, "--pictures").status == 2


def test_evaluations_note_what_was_never_checked_and_who_was_kept(nsface: Run, place: Path) -> None:
    Path("faces/0/0.png").unlink()
    Path("run").mkdir()
    recipe = "data: faces\nhead: {name: softmax}\nnetwork: {name: light-resnet}\nepochs: 1\n"
    Path("run/recipe.yaml").write_text(recipe)
    meta = {"model": "run/model.safetensors", "model_digest": "m"}
    vectors = np.random.default_rng(2).normal(size=(5, 8)).astype(np.float32)
    save(
        "train.npz",
        Embeddings([f"{identity}/{identity + 4}.png" for identity in range(4)], vectors[:4], meta),
    )
    test = ["Ann/1.png", "Ann/2.png", "Bob/1.png", "Bob/2.png"]
    save("test.npz", Embeddings(test, vectors[[1, 1, 4, 4]], meta))
    Path("pairs.txt").write_text("Ann/1.png\tAnn/2.png\t1\nAnn/1.png\tBob/1.png\t0\n")

    def notes() -> str:
        outcome = nsface("eval-pairs", "test.npz", "--pairs", "pairs.txt")
        assert outcome.status == 0
        return str(outcome.err)

    assert "never checked" in notes()
    both = nsface("compare", "test.npz", "test.npz", "--protocol", "pairs", "--pairs", "pairs.txt")
    assert "never checked" in both.err
    look = ("--montage", "look.png", "--train-images", "faces", "--test-images", "people")
    for name in test:
        Path("people", name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"people/{name}", np.full((112, 96, 3), 9, np.uint8))
    assert nsface("overlap", "train.npz", "test.npz", "--threshold", 0.99, "--run", "run", *look).status == 0
    assert cv2.imread("look.png") is not None
    assert "trained on an identity that seems to be in this test set (1)" in notes()
    Path("run/recipe.yaml").write_text(recipe + "exclude: ['1']\n")
    assert nsface("overlap", "train.npz", "test.npz", "--threshold", 0.99, "--run", "run").status == 0
    assert "test set" not in notes()


def test_fetch_from_files_placed_by_hand(
    nsface: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "data" / "lfw_home"
    image = home / "lfw_funneled" / "Ann_A" / "Ann_A_0001.jpg"
    image.parent.mkdir(parents=True)
    cv2.imwrite(str(image), np.full((250, 250, 3), 99, np.uint8))
    with tarfile.open(home / "lfw-funneled.tgz", "w:gz") as tar:
        tar.add(home / "lfw_funneled", "lfw_funneled")
    image.unlink()
    image.parent.rmdir()
    image.parent.parent.rmdir()
    for name in ("pairs.txt", "pairsDevTrain.txt", "pairsDevTest.txt"):
        (home / name).write_text(name)
    for _ in range(2):  # the second call finds everything
        assert nsface("fetch", "lfw", tmp_path / "data").status == 0
        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
            "lfw", "pairs.txt", "pairsDevTest.txt", "pairsDevTrain.txt",
        ]  # fmt: skip
    assert (tmp_path / "data/lfw/Ann_A/Ann_A_0001.jpg").is_file()


def test_fetch_offline_says_what_to_place_where(
    nsface: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(**_: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("sklearn.datasets.fetch_lfw_people", offline)
    outcome = nsface("fetch", "lfw", tmp_path / "data")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "lfw-funneled.tgz" in outcome.err
    assert str(tmp_path / "data" / "lfw_home") in outcome.err
