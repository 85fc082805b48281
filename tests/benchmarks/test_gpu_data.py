"""The stages of the GPU script that are given real images, on a CPU and with made ones."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import gpu_data
import numpy as np
import pytest
import torch
from gpu import main

from nsface.benchmark.gpu import fast, tables
from nsface.benchmark.gpu.data import Data, unpacked
from nsface.benchmark.gpu.fast import curve
from nsface.benchmark.gpu.frame import OutOfTime
from nsface.benchmark.gpu.place import SMALL, Found, Place, TableScale
from nsface.errors import DataError
from nsface.images.sources import open_source
from nsface.pool import at_once
from nsface.recipe.schema import Recipe
from nsface.reproduce import jobs
from nsface.training.loop import Interrupted
from nsface.training.run import train

PAIRS = "2\t2\n" + "".join(
    f"{a}\t1\t2\n{b}\t1\t2\n{a}\t1\t{b}\t1\n{a}\t2\t{b}\t2\n" for a, b in (("A", "B"), ("C", "D"))
)


def picture(path: Path, colour: int, height: int, width: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(colour)
    pixels = cv2.resize(draws.uniform(0, 255, (4, 4, 3)), (width, height)).astype(np.uint8)
    cv2.imwrite(str(path), pixels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("real")
    for half, count in (("train", 6), ("test", 3)):
        for number in range(count):
            for label in ("cat", "dog"):
                picture(
                    made / "cifar" / half / label / f"{number}.png", 2 * number + (label == "cat"), 32, 32
                )
    for identity in range(9):
        for image in range(2):
            picture(made / "faces" / f"{identity:02d}" / f"{image}.jpg", 2 * identity + image, 112, 96)
    for number, person in enumerate("ABCDE"):
        for image in (1, 2):
            picture(made / "lfw" / person / f"{person}_{image:04d}.jpg", 20 + 2 * number + image, 112, 96)
    (made / "pairs.txt").write_text(PAIRS)
    (made / "exclude.txt").write_text("# also in LFW\n08\n")
    return made


@pytest.fixture(scope="module")
def packed(folder: Path) -> Path:
    made = folder / "all.tar.gz"
    names = {"cifar": "cifar", "faces": "faces", "lfw": "lfw", "pairs": "pairs.txt", "exclude": "exclude.txt"}
    options = [part for name, path in names.items() for part in (f"--{name}", str(folder / path))]
    assert gpu_data.main([*options, "--out", str(made)]) == 0
    return made


@pytest.fixture
def data(packed: Path, tmp_path: Path) -> Data:
    (tmp_path / "data").mkdir()
    return unpacked(packed, tmp_path / "data")


def test_the_data_file_has_what_the_stages_need_byte_for_byte(data: Data, folder: Path) -> None:
    assert data.parts == {"cifar", "faces"}
    faces = open_source(str(data.path("faces.tar")))
    index = list(faces.names).index("03/1.jpg")
    assert faces.read(index) == (folder / "faces/03/1.jpg").read_bytes()
    lfw = open_source(str(data.path("lfw.tar")))
    assert sorted({name.split("/")[0] for name in lfw.names}) == list("ABCD")
    cifar = open_source(str(data.path("cifar.tar")))
    assert sorted({name.rsplit("/", 1)[0] for name in cifar.names}) == [
        "test/cat", "test/dog", "train/cat", "train/dog",
    ]  # fmt: skip
    assert data.about["cifar.tar"] == {"images": 18, "from": "cifar"}
    assert data.path("exclude.txt").read_text().endswith("08\n")


def test_what_is_no_data_file_is_refused(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain").write_text("no archive")
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), "--device", "cpu", "--data", str(tmp_path / "plain")])
    assert "plain: " in capsys.readouterr().err
    (tmp_path / "other.tar").write_bytes(gpu_data.tar_of([("../escaped", b"")])[0])
    with pytest.raises(DataError, match="escaped does not belong into a data file"):
        unpacked(tmp_path / "other.tar", tmp_path)
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), "--device", "cpu", "--stage", "cifar"])
    assert "--stage cifar needs --data FILE with cifar" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        gpu_data.main(["--faces", str(folder / "faces"), "--out", str(tmp_path / "x")])
    assert "--faces with --lfw and --pairs" in capsys.readouterr().err


def run(stage: str, out: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    runs = ["--runs", str(out / "runs")]
    status = main(["--stage", stage, "--out", str(out), "--device", "cpu", "--data", str(data), *runs])
    assert status == 0, capsys.readouterr().out
    record = json.loads((out / f"{stage}.json").read_text())
    return {name: entry["found"] for name, entry in record["checks"].items()}


def test_a_stage_of_tables_that_is_cut_has_what_was_found_and_goes_on(
    tmp_path: Path, packed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usual, trained = jobs._train, list[str]()

    def late(job: jobs.Job, kept: Any) -> None:
        trained.append(job.folder.name)
        usual(job, kept)
        if len(trained) == 4:  # the second of CIFAR-10
            (job.folder / "model.safetensors").unlink()  # as before its end
            raise OutOfTime

    monkeypatch.setattr(jobs, "_train", late)
    with pytest.raises(AssertionError):  # the status
        run("cifar", tmp_path, packed, capsys)
    check = json.loads((tmp_path / "cifar.json").read_text())["checks"]["cifar"]
    assert check["status"] == "out of time"
    cut, whole = check["found"]["cifar10"], check["found"]["cifar10-plus"]
    assert whole["results"]["trainings"] == 2
    assert cut["results"]["trainings"] == 1
    assert list(cut["trainings"]) == ["noisy-1-seed0", "softmax-seed0"]
    assert cut["trainings"]["noisy-1-seed0"]["tests"]["step"][-1] == 4
    assert "Noisy Softmax" in (tmp_path / "cifar10-plus.html").read_text()

    del trained[:]
    trained += ["again"] * 4
    found = run("cifar", tmp_path, packed, capsys)["cifar"]
    assert trained[4:] == ["noisy-1-seed0"]
    assert found["data"]["cifar.tar"]["images"] == 18
    for name, shift in (("cifar10-plus", 4), ("cifar10", 0)):
        results = found[name]["results"]
        assert results["recipe"]["augmentation"]["shift"] == shift
        assert results["recipe"]["compile"] == "off"
        assert results["arms"]["noisy-1"]["error"]["by_seed"].keys() == {"0"}
        assert results["arms"]["noisy-1"]["test"]["against"] == "softmax"


def test_a_stage_of_tables_that_is_stopped_by_a_signal_is_not_at_its_end(
    tmp_path: Path, packed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(job: jobs.Job, kept: Any) -> None:
        raise Interrupted("stopped; the same command goes on")

    monkeypatch.setattr(jobs, "_train", stopped)
    with pytest.raises(AssertionError):
        run("cifar", tmp_path, packed, capsys)
    assert json.loads((tmp_path / "cifar.json").read_text())["checks"]["cifar"]["status"] == "running"


def test_a_round_has_the_seeds_of_those_before() -> None:
    rounds = [list(seeds) for seeds in tables._rounds(TableScale(5, 2, 1))]
    assert rounds == [[0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4]]


def test_the_record_thins_what_was_logged() -> None:
    lines = [{"step": step, "other": 0} for step in range(1, 101)]
    (steps,) = tables._columns(lines, ["step"]).values()
    assert steps == list(range(4, 101, 4))
    assert tables._columns([], ["step"]) == {"step": []}


def test_the_stage_of_faces(tmp_path: Path, packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = run("faces", tmp_path, packed, capsys)["lfw"]["lfw-small"]["results"]
    assert results["recipe"]["exclude"] == ["08"]
    assert results["recipe"]["augmentation"]["erase"] == 0.4
    (scores,) = results["systems"]["noisy-1"]["scores"].values()
    assert 0 <= scores["accuracy"]["by_seed"]["0"] <= 1
    assert (tmp_path / "lfw-small.html").exists()


def test_the_stage_of_casia_fast(tmp_path: Path, packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run("casia-fast", tmp_path, packed, capsys)
    assert found["rendered"]["rendering"]["images"] == 32
    training = found["rendered"]["as the recipe"]
    assert (training["images"], training["identities"]) == (16, 4)  # half is held out
    assert list(training["validations"]) == ["held-out"]
    assert list(found["real"]["2 epochs"]["validations"]) == ["held-out", "lfw"]
    points = found["real"]["2 epochs"]["validations"]["lfw"]["curve"]
    assert [point["epoch"] for point in points] == [1, 2]
    assert 0 < points[0]["minutes"] < points[1]["minutes"]


def test_a_training_whose_time_is_over_leaves_its_curve(
    tmp_path: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = train

    def late(recipe: Recipe, out: Path) -> None:
        usual(recipe, out)
        raise OutOfTime

    monkeypatch.setattr(fast, "train", late)
    found: Found = {}
    with pytest.raises(OutOfTime):
        fast.real(Place(torch.device("cpu"), SMALL, tmp_path, tmp_path, data), found)
    assert found["2 epochs"]["error"] == "the training did not end"
    assert len(found["2 epochs"]["validations"]["held-out"]["curve"]) == 2


def test_a_curve_has_the_minutes_of_training_before_each_validation() -> None:
    log = [
        {"step": 10, "epoch": 1.0, "images_per_second": 10.0},
        {"step": 30, "epoch": 3.0, "images_per_second": 5.0},
    ]
    scores = [(10, 1.0, 0.85), (20, 2.0, 0.96), (30, 3.0, 0.94)]
    validations = [
        {"step": step, "epoch": epoch, "name": "held-out", "accuracy": a, "standard_error": 0.0, "auc": a}
        for step, epoch, a in scores
    ]
    found = curve(log, validations, batch=60)
    assert found["minutes"] == pytest.approx(1 + 4)  # 600 images at 10 a second, 1,200 at 5
    assert found["minutes_an_epoch"] == pytest.approx(5 / 3)
    assert found["validations"]["held-out"]["minutes_to"] == {
        "90 %": pytest.approx(3), "95 %": pytest.approx(3), "98 %": None, "99 %": None,
    }  # fmt: skip


def test_jobs_in_other_processes_give_their_results_and_errors() -> None:
    jobs = {"five": 5, "impossible": -1}
    outcomes = dict(at_once(math.factorial, jobs, processes=2))
    assert outcomes["five"]() == 120
    with pytest.raises(ValueError, match="factorial"):
        outcomes["impossible"]()
