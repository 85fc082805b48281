"""The checks for a GPU, on a CPU and small: that they pass, and that what is wrong fails them."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from gpu import main
from torch import Tensor

from nsface.auxiliary import AUXILIARY
from nsface.benchmark import speed
from nsface.benchmark.classifier import ClassifierCost
from nsface.benchmark.gpu import arithmetic, classifiers, compiled, frame, runs
from nsface.benchmark.gpu import speed as gpu_speed
from nsface.benchmark.gpu.frame import Check, Stage, each, faults
from nsface.benchmark.gpu.place import SMALL, Found, Place, Scale
from nsface.benchmark.gpu.stages import STAGES
from nsface.benchmark.roofline import Roofline
from nsface.benchmark.timing import Rate
from nsface.heads import HEADS, ArcFace, Target, other_identities
from nsface.networks import NETWORKS
from nsface.recipe.schema import Recipe
from nsface.training.trainer import Trainer

CHECKS = ["networks", "heads", "waits", "trainings", "resumed", "classifier"]
FORMS = ["in device memory", "in host memory", "cache", "packed pixels", "streamed"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(torch.device("cpu"), SMALL, tmp_path, tmp_path)


def test_the_whole_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--stage", "check", "--out", str(tmp_path / "new"), "--device", "cpu", "--minutes", "30"])
    printed = capsys.readouterr().out
    assert status == 0, printed
    assert printed.endswith("6 of 6 checks passed\n")
    record = json.loads((tmp_path / "new" / "check.json").read_text())
    assert list(record["checks"]) == CHECKS
    assert record["environment"]["torch"] == torch.__version__
    assert record["passed"] == 6
    found = {name: entry["found"] for name, entry in record["checks"].items()}
    assert set(found["networks"]) == set(SMALL.networks)
    assert set(Scale().networks) == set(NETWORKS)
    for precision in found["networks"].values():
        assert set(precision) == {"fp32", "tf32", "bf16"}
    assert len(found["heads"]) == 4
    for kind in found["heads"].values():
        assert set(kind) == {*HEADS, *AUXILIARY}
    assert set(found["waits"]) == {*FORMS, "heads"}
    assert set(found["waits"]["heads"]) == set(HEADS)
    assert list(found["trainings"]) == FORMS
    assert found["resumed"] == {"fp32": {"stopped_after": 3}, "bf16": {"stopped_after": 3}}
    assert found["classifier"]["arcface"]["weights"] == 4 * 1000 * 16


def test_the_stage_of_extraction(tmp_path: Path) -> None:
    assert main(["--stage", "extract", "--out", str(tmp_path), "--device", "cpu"]) == 0
    found = json.loads((tmp_path / "extract.json").read_text())["checks"]["extraction"]["found"]
    assert found["off"]["embeddings"] < 1e-3
    assert min(found["network_images_per_second"], found["extraction_images_per_second"]) > 0


def test_the_stage_of_compilation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network, **_: usual(network, backend="aot_eager"))
    assert main(["--stage", "compile", "--out", str(tmp_path), "--device", "cpu"]) == 0
    checks = json.loads((tmp_path / "compile.json").read_text())["checks"]
    assert list(checks) == ["equal", "compiled_waits", "compiled_resumed"]
    for found in checks["equal"]["found"].values():
        for part in ("embeddings", "gradients"):
            assert found["compiled"][part] <= 2 * found["uncompiled"][part]
    assert checks["compiled_resumed"]["found"]["bf16"] == {"stopped_after": 3}


def test_a_compiled_network_that_differs_is_found(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda network, **_: lambda images: network(images) * (1 + 1e-4))
    found: Found = {}
    compiled.equal(place, found)
    (wrong,) = faults(found)
    assert wrong.startswith("sphereface-4, fp32, compiled: embeddings, gradients: above the tolerance")


def test_the_stages_of_speed_and_of_the_classifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "roofline_of", lambda *_: Roofline("fp32", None, 1, 1, 1))
    stages = {name: STAGES[name] for name in ("speed", "classifier")}
    records = frame.run_missing(stages, tmp_path, torch.device("cpu"), 300)
    assert [record["stage"] for record in records] == ["speed", "classifier"]
    assert [faults(record["checks"]) for record in records] == [[], []]
    assert all(record["passed"] == len(record["checks"]) for record in records)
    checks = {name: entry["found"] for record in records for name, entry in record["checks"].items()}
    assert list(checks["fastest"]) == [
        f"{name}, bf16, compile {choice}, batch 8" for choice in ("auto", "off") for name in gpu_speed.RECIPES
    ]
    cells = checks["fastest"] | checks["grid"]
    assert len(cells) == 2 * 2 * 2 * 2  # networks, precisions, compiled or not, and batches
    for cell in cells.values():
        assert cell["images_per_second"]["median"] > 0
        assert "loader share < 3 %" in cell["aims"]
    for found in checks["peer"].values():
        assert set(found["ratios"]) == {
            f"nsface {own} / arcface-style {other}"
            for own in ("bf16", "bf16, compile: off", "tf32")
            for other in ("bf16", "fp32")
        }
    for found in checks["losses"].values():
        assert len(found["bf16"]) == len(found["fp32"]) == SMALL.speed.steps
        assert found["bf16"] != found["fp32"]
        assert found["bf16"] == found["bf16, compiled"]  # `auto` compiles nothing on a CPU
    assert [found["head"] for found in checks["million"].values()] == ["softmax", "arcface"]
    assert len(checks["sizes"]) == 3 * 2 * len(SMALL.speed.classifiers)


def test_a_precision_with_other_losses_is_found(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(recipe: Recipe, identities: int, steps: int, images: int | None) -> list[float]:
        return [2.0, 1.03 if recipe.precision == "bf16" and recipe.compile == "auto" else 1.0]

    monkeypatch.setattr(gpu_speed, "losses_of", wrong)
    found: Found = {}
    gpu_speed.losses(place, found)
    assert faults(found) == [f"{name}: bf16, compiled is off by 1.0 %" for name in gpu_speed.RECIPES]


def test_memory_beyond_the_limit_is_found(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def costly(*arguments: Any) -> ClassifierCost:
        return ClassifierCost(1, Rate.of([1.0]), 2**31 + 1)

    monkeypatch.setattr(classifiers, "LIMITED", SMALL.speed.classifiers[-2])
    monkeypatch.setattr(classifiers, "measure_classifier", costly)
    found: Found = {}
    classifiers.sizes(place, found)
    assert faults(found) == [
        f"arcface, 50, blocked, {precision}: 2.00 GiB beyond weights, gradient and momentum"
        for precision in ("fp32", "bf16")
    ]


def test_a_form_that_does_not_fit_is_no_fault(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> ClassifierCost:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 16 GiB.\nFree 1 GiB.")

    monkeypatch.setattr(classifiers, "measure_classifier", full)
    found: Found = {}
    classifiers.sizes(place, found)
    assert not faults(found)
    assert found["arcface, 50, plain, fp32"]["does_not_fit"].endswith("Tried to allocate 16 GiB.")


def crash(place: Place, found: Found) -> None:
    found["before"] = {"number": float("nan")}
    raise RuntimeError("CUDA error: an illegal memory access")


def partly(place: Place, found: Found) -> None:
    def broken() -> Found:
        raise ValueError("no kernel")

    each(found, {"one": broken, "two": lambda: {"fine": 1}, "three": lambda: {"deep": {"error": "off"}}})


def endless(place: Place, found: Found) -> None:
    def wait() -> Found:
        while True:
            time.sleep(0.01)

    each(found, {"never": wait})


def fine(place: Place, found: Found) -> None:
    found["folder"] = str(place.folder)


def test_a_failing_check_is_recorded_and_the_next_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = tuple(
        Check(check, share) for check, share in ((crash, 1), (partly, 1), (endless, 0.2), (fine, 1))
    )
    monkeypatch.setitem(STAGES, "check", Stage(checks, 1))
    status = main(["--stage", "check", "--out", str(tmp_path), "--device", "cpu", "--minutes", "0.1"])
    assert status == 1
    text = (tmp_path / "check.json").read_text()
    assert "NaN" in text
    entries = json.loads(text, parse_constant=pytest.fail)["checks"]
    assert {name: entry["status"] for name, entry in entries.items()} == {
        "crash": "failed", "partly": "failed", "endless": "out of time", "fine": "passed",
    }  # fmt: skip
    assert entries["crash"]["error"].startswith(
        "RuntimeError: CUDA error: an illegal memory access (test_gpu.py:"
    )
    assert entries["partly"]["found"]["one"]["error"].startswith("ValueError: no kernel")
    assert entries["partly"]["found"]["two"] == {"fine": 1}
    assert entries["endless"]["error"] == "not done within 1 s"
    assert not Path(entries["fine"]["found"]["folder"]).exists()
    printed = capsys.readouterr().out
    assert "three, deep: off" in printed
    assert printed.endswith("1 of 4 checks passed\n")


def test_what_was_found_is_kept_when_the_process_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(place: Place, found: Found) -> None:
        raise KeyboardInterrupt

    stage = Stage((Check(fine, 1), Check(die, 1), Check(partly, 1)), 1)
    with pytest.raises(KeyboardInterrupt):
        frame.run_stage("check", stage, tmp_path, torch.device("cpu"), 60)
    entries = json.loads((tmp_path / "check.json").read_text())["checks"]
    assert [entry["status"] for entry in entries.values()] == ["passed", "running", "not run"]


def test_what_is_missing_is_completed_and_nothing_is_done_twice(tmp_path: Path) -> None:
    done: list[str] = []
    slow = True

    def jobs(place: Place, found: Found) -> None:
        def job(name: str) -> Found:
            while slow and name == "second":
                time.sleep(0.01)
            done.append(name)
            return {"fine": name}

        each(found, {name: partial(job, name) for name in ("first", "second")})

    def other(place: Place, found: Found) -> None:
        done.append("other")

    stages = {"one": Stage((Check(fine, 1), Check(jobs, 1)), 0.01), "two": Stage((Check(other, 1),), 1)}
    cpu = torch.device("cpu")
    records = frame.run_missing(stages, tmp_path, cpu, 60)
    assert done == ["first", "other"]
    assert [record["checks"].get("jobs", {}).get("status") for record in records] == ["out of time", None]
    assert frame.unfinished(stages["one"], frame.read(tmp_path / "one.json"), None)
    slow = False
    (record,) = frame.run_missing(stages, tmp_path, cpu, 60)
    assert done == ["first", "other", "second"]
    assert record["checks"]["jobs"]["found"] == {"first": {"fine": "first"}, "second": {"fine": "second"}}
    assert record["passed"] == 2
    assert "error" not in record["checks"]["jobs"]
    assert frame.run_missing(stages, tmp_path, cpu, 60) == []
    (tmp_path / "two.json").unlink()
    assert frame.run_missing(stages, tmp_path, cpu, 4) == []  # too little time to begin


def test_a_stage_that_needs_more_than_is_left_is_for_another_time(tmp_path: Path) -> None:
    stages = {
        "first": Stage((Check(fine, 1),), share=1, least=90),
        "long": Stage((Check(fine, 1),), share=100, least=30),
        "short": Stage((Check(fine, 1),), share=1, least=10),
    }
    cpu = torch.device("cpu")
    records = frame.run_missing(stages, tmp_path, cpu, 20)
    # the first has all of it, although it needs more; nothing is taken from it for others
    assert [(record["stage"], round(60 * record["minutes"])) for record in records] == [
        ("first", 20), ("short", 20),
    ]  # fmt: skip
    (record,) = frame.run_missing(stages, tmp_path, cpu, 40)
    assert (record["stage"], round(60 * record["minutes"])) == ("long", 40)
    (tmp_path / "first.json").unlink()
    (tmp_path / "short.json").unlink()
    records = frame.run_missing(stages, tmp_path, cpu, 400)
    assert [round(60 * record["minutes"]) for record in records] == [200, 400]


def test_a_record_of_other_versions_is_kept_and_not_completed(tmp_path: Path) -> None:
    stage = Stage((Check(fine, 1), Check(partly, 1)), 1)
    record = frame.run_stage("one", stage, tmp_path, torch.device("cpu"), 60)
    record["checks"]["partly"]["status"] = "not run"
    before = record["checks"]["fine"]["found"]["folder"]
    frame.write(tmp_path / "one.json", record)
    same = frame.run_stage("one", stage, tmp_path, torch.device("cpu"), 60, go_on=True)
    assert same["checks"]["fine"]["found"]["folder"] == before
    record["environment"]["torch"] = "0.1"
    frame.write(tmp_path / "one.json", record)
    anew = frame.run_stage("one", stage, tmp_path, torch.device("cpu"), 60, go_on=True)
    assert anew["checks"]["fine"]["found"]["folder"] != before
    assert frame.read(tmp_path / "one-1.json") == record
    frame.run_stage("one", stage, tmp_path, torch.device("cpu"), 60)
    assert frame.read(tmp_path / "one-1.json") == record
    assert frame.read(tmp_path / "one-2.json") == anew


def test_a_wrong_head_is_found(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    right = ArcFace.changed_cosine

    def wrong(self: ArcFace, target: Target) -> Tensor:
        changed = right(self, target)
        return changed if changed.dtype == torch.float64 else changed * 1.01

    monkeypatch.setattr(ArcFace, "changed_cosine", wrong)
    found: Found = {}
    arithmetic.heads(place, found)
    assert {fault.split(":")[0] for fault in faults(found)} == {f"{kind}, arcface" for kind in found}


def test_a_wrong_form_of_the_classifier_is_found(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    right = other_identities.reduce_blocked

    def wrong(*arguments: Any) -> tuple[Tensor, Tensor]:
        n, highest = right(*arguments)
        return n + 0.01, highest

    monkeypatch.setattr(other_identities, "reduce_blocked", wrong)
    found: Found = {}
    arithmetic.classifier(place, found)
    assert len(faults(found)) == 2
    found = {}
    arithmetic.heads(place, found)
    assert {fault.split(",")[1] for fault in faults(found)} == {" blocked"}


def test_a_resumed_run_that_differs_is_found(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Trainer.restore

    def without_momentum(self: Trainer, state: dict[str, Any]) -> None:
        right(self, state)
        self.optimizer.state.clear()

    monkeypatch.setattr(Trainer, "restore", without_momentum)
    found: Found = {}
    runs.resumed(place, found)
    assert faults(found) == [f"{kind}: other weights than unstopped" for kind in ("fp32", "bf16")]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--stage", "check", "--out", str(tmp_path)])
    assert exit_.value.code == 2
    assert "no usable CUDA device here; --device cpu tries the script itself" in capsys.readouterr().err
