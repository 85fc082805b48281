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

from nsface.benchmark.gpu import arms, cifar, fast
from nsface.benchmark.gpu.arms import ARMS, summarised
from nsface.benchmark.gpu.data import Data, unpacked
from nsface.benchmark.gpu.fast import curve
from nsface.benchmark.gpu.frame import OutOfTime
from nsface.benchmark.gpu.place import SMALL, Found, Place
from nsface.errors import DataError
from nsface.images.sources import open_source
from nsface.pool import at_once
from nsface.recipe.schema import Recipe
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
def two_arms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Softmax and Noisy Softmax with α² = 1 only, to save time."""
    monkeypatch.setattr(arms, "ARMS", {arm: ARMS[arm] for arm in ("softmax", "noisy 1")})


@pytest.fixture
def data(packed: Path, tmp_path: Path) -> Data:
    (tmp_path / "data").mkdir()
    return unpacked(packed, tmp_path / "data")


def test_the_data_file_has_what_the_stages_need_byte_for_byte(data: Data, folder: Path) -> None:
    assert data.parts == {"cifar", "faces"}
    faces = open_source(str(data.path("faces.tar")))
    assert sorted(set(faces.identities)) == [f"{number:02d}" for number in range(8)]
    index = list(faces.names).index("03/1.jpg")
    assert faces.read(index) == (folder / "faces/03/1.jpg").read_bytes()
    lfw = open_source(str(data.path("lfw.tar")))
    assert sorted({name.split("/")[0] for name in lfw.names}) == list("ABCD")
    assert len(open_source(str(data.path("cifar-train.tar")))) == 12
    assert data.about["cifar-test.tar"]["images"] == 6
    assert data.about["faces.tar"]["from"] == "faces without 1 identities"


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
    status = main(["--stage", stage, "--out", str(out), "--device", "cpu", "--data", str(data)])
    assert status == 0, capsys.readouterr().out
    record = json.loads((out / f"{stage}.json").read_text())
    return {name: entry["found"] for name, entry in record["checks"].items()}


@pytest.mark.usefixtures("two_arms")
def test_the_stage_of_cifar_and_what_is_done_again(
    tmp_path: Path, packed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usual, trained = cifar.train_and_test, list[tuple[bool, str, int]]()

    def killed(job: cifar.Training) -> Found:
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append((job.augmented, job.arm, job.seed))
        return usual(job)

    monkeypatch.setattr(cifar, "train_and_test", killed)
    with pytest.raises(KeyboardInterrupt):
        run("cifar", tmp_path, packed, capsys)
    record = json.loads((tmp_path / "cifar.json").read_text())["checks"]["cifar10_plus"]
    assert record["status"] == "running"
    assert record["found"]["summary"]["noisy 1"]["seeds"] == 1
    before = record["found"]["seed 0, softmax"]
    trained.append((True, "", 0))  # so that it is not killed again
    found = run("cifar", tmp_path, packed, capsys)
    assert found["cifar10_plus"]["seed 0, softmax"] == before
    del trained[3]
    seeds = range(SMALL.cifar.seeds)
    assert trained == [(plus, arm, seed) for plus in (True, False) for seed in seeds for arm in arms.ARMS]
    for table in found.values():
        summary = table["summary"]
        assert summary["softmax"]["seeds"] == len(seeds)
        errors = [table[f"seed {seed}, softmax"]["test_error"] for seed in seeds]
        assert summary["softmax"]["mean"] == pytest.approx(sum(errors) / len(errors))
        assert summary["noisy 1"]["minus_softmax"]["seeds"] == len(seeds)
        assert table["data"]["cifar-train.tar"]["images"] == 12
    assert found["cifar10_plus"]["recipe"]["augmentation"]["shift"] == 4
    assert found["cifar10"]["recipe"]["augmentation"]["mirror"] is False


def test_only_the_head_differs_between_arms() -> None:
    def decisive(arm: str) -> dict[str, Any]:
        return cifar.recipe_of(cifar.Training(Path(), Path(), "cpu", SMALL.cifar, True, arm, 3)).decisive()

    heads = {arm: decisive(arm).pop("head") for arm in ARMS}
    assert [heads[arm].get("alpha2", 0) for arm in ARMS] == [0, 0.1, 0.05, 0.5, 1]
    others = [{key: value for key, value in decisive(arm).items() if key != "head"} for arm in ARMS]
    assert others == [others[0]] * len(ARMS)


def test_an_error_rate_is_that_of_the_largest_logit(tmp_path: Path, data: Data) -> None:
    place = Place(torch.device("cpu"), SMALL, tmp_path, data)
    stores = arms.stored(place, "cifar-train.tar"), arms.stored(place, "cifar-test.tar")
    job = cifar.Training(*stores, "cpu", SMALL.cifar, False, "noisy 1", 0)
    pixels, labels, _ = cifar._images(stores[1])
    seen: Found = {}

    def known(trainer: Any, *rest: Any) -> float:
        rate = usual(trainer, *rest)
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            features = trainer.take_step.features(images).float()
            logits = features @ trainer.head.weight.T + trainer.head.bias
        seen["expected"] = float((logits.argmax(1).numpy() != labels).mean())
        assert not trainer.network.training
        return rate

    usual = cifar.error_rate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar, "error_rate", known)
        assert cifar.train_and_test(job)["test_error"] == pytest.approx(seen["expected"])


@pytest.mark.usefixtures("two_arms")
def test_the_stage_of_faces(tmp_path: Path, packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run("faces", tmp_path, packed, capsys)["lfw"]
    for seed in range(SMALL.faces_table.seeds):
        for arm in arms.ARMS:
            assert 0 <= found[f"seed {seed}, {arm}"]["accuracy"] <= 1
    assert found["summary"]["measure"] == "accuracy"
    assert found["recipe"]["augmentation"]["erase"] == 0.4


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
        fast.real(Place(torch.device("cpu"), SMALL, tmp_path, data), found)
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


def test_differences_are_between_trainings_of_one_seed() -> None:
    found: dict[str, Found] = {
        "seed 0, softmax": {"m": 1.0},
        "seed 1, softmax": {"m": 3.0},
        "seed 2, softmax": {"error": "killed"},
        "seed 0, noisy 1": {"m": 0.5},
        "seed 1, noisy 1": {"m": 3.5},
        "seed 2, noisy 1": {"m": 9.0},
    }
    summary = summarised(found, "m", seeds=3)
    assert summary["noisy 1"]["mean"] == pytest.approx(13 / 3)
    assert summary["noisy 1"]["minus_softmax"] == {
        "seeds": 2, "mean": 0.0, "std": pytest.approx(math.sqrt(0.5)), "standard_error": pytest.approx(0.5),
    }  # fmt: skip
    assert summary["noisy 0.1"] == {"seeds": 0, "by_seed": {}, "minus_softmax": {"seeds": 0}}


def test_jobs_in_other_processes_give_their_results_and_errors() -> None:
    jobs = {"five": 5, "impossible": -1}
    outcomes = dict(at_once(math.factorial, jobs, processes=2))
    assert outcomes["five"]() == 120
    with pytest.raises(ValueError, match="factorial"):
        outcomes["impossible"]()
