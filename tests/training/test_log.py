"""The log of a training in its three forms: lines of JSON, a table, curves for TensorBoard."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from nsface.errors import RecipeError
from nsface.ranks import ALONE, Ranks
from nsface.recipe.schema import Recipe
from nsface.run_folder import RunFolder
from nsface.training import tensorboard as tensorboard_module
from nsface.training.log import Log
from nsface.training.run import train
from nsface.training.summary import run_summary
from nsface.training.trainer import Line
from tests.training.small_trainer import small_trainer


def line(step: int, **more: float) -> Line:
    return {"step": step, "epoch": step / 4, "loss": 1 / step, "accuracy": 1 - 1 / step, **more}


def table(run: RunFolder) -> list[dict[str, float]]:
    with run.csv_file.open(newline="") as file:
        return [{key: float(value or "nan") for key, value in row.items()} for row in csv.DictReader(file)]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def test_the_table_is_the_log(run: RunFolder) -> None:
    with Log(run, 0, ALONE) as log:
        assert run.csv_file.read_text() == ""
        for step in (2, 4):
            log.write(line(step))
            assert table(run) == run.read_log()
    assert run.csv_file.read_text().startswith("step,epoch,loss,accuracy\n2,0.5,0.5,0.5\n")


def test_a_killed_run_goes_on_without_rows_that_stand_twice_or_are_cut(run: RunFolder) -> None:
    with Log(run, 0, ALONE) as log:
        for step in (2, 4, 6):
            log.write(line(step))
    with run.csv_file.open("a") as file:
        file.write("8,2.0")
    with Log(run, 4, ALONE) as log:
        assert table(run) == run.read_log() == [line(2), line(4)]
        log.write(line(6, loss=5.0))
    assert table(run) == run.read_log() == [line(2), line(4), line(6, loss=5.0)]
    with Log(run, 0, ALONE):
        assert run.csv_file.read_text() == ""


def test_a_new_key_is_a_new_column(run: RunFolder) -> None:
    with Log(run, 0, ALONE) as log:
        log.write(line(2))
        log.write(line(4, center=0.25))
        log.write(line(6))
    rows = table(run)
    assert [set(row) for row in rows] == [set(line(4, center=0.25))] * 3
    assert [row["center"] for row in rows] == pytest.approx([math.nan, 0.25, math.nan], nan_ok=True)
    assert [row["loss"] for row in rows] == [1 / 2, 1 / 4, 1 / 6]


def test_only_the_first_rank_writes(run: RunFolder) -> None:
    with Log(run, 0, Ranks(rank=1, count=2), tensorboard=True) as log:
        log.write(line(2))
        log.sync()
    assert list(run.path.iterdir()) == []


def curves(run: RunFolder) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows."""
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    shown: Any = module.EventAccumulator(str(run.tensorboard))
    shown.Reload()
    return {tag: [(e.step, e.value) for e in shown.Scalars(tag)] for tag in shown.Tags()["scalars"]}


def test_tensorboard_shows_each_step_once(run: RunFolder) -> None:
    pytest.importorskip("tensorboard")
    killed = Log(run, 0, ALONE, tensorboard=True)
    for step in (2, 4, 6):
        killed.write(line(step))
        killed.sync()  # what a run has when it is killed
    with Log(run, 4, ALONE, tensorboard=True) as log:
        log.write(line(6, loss=5.0))
        log.add_points("lfw", {"accuracy": 0.75}, 6)
        log.write(line(8))
    found = curves(run)
    assert found.keys() == {"training/epoch", "training/loss", "training/accuracy", "lfw/accuracy"}
    assert found["training/loss"] == [(2, 0.5), (4, 0.25), (6, 5.0), (8, 0.125)]
    assert found["training/epoch"] == [(2, 0.5), (4, 1.0), (6, 1.5), (8, 2.0)]
    assert found["lfw/accuracy"] == [(6, 0.75)]


def test_a_missing_package_is_said_before_the_images_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorboard_module, "find_spec", lambda name: None)
    settings = {"network": {"name": "sphereface-4"}, "head": {"name": "softmax"}, "epochs": 1}
    recipe = Recipe.model_validate(settings | {"data": "nowhere", "tensorboard": True, "device": "cpu"})
    with pytest.raises(RecipeError, match=r'^tensorboard: .*: pip install "nsface\[tensorboard\]"$'):
        train(recipe, tmp_path / "run")
    assert recipe.digest() == recipe.model_copy(update={"tensorboard": False}).digest()


def test_a_run_writes_all_three_and_sums_itself_up(small: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    said: list[str] = []
    run = RunFolder(tmp_path / "run")
    train(small(tensorboard=True, epochs=2), run.path, note=said.append)
    log = [json.loads(text) for text in run.log_file.read_text().splitlines()]
    assert [row["step"] for row in log] == [2, 4, 6, 8, 10]
    assert table(run) == log
    assert [step for step, _ in curves(run)["training/gradient_norm"]] == [2, 4, 6, 8, 10]
    peak = run.read_environment()["peak_memory"]
    assert 1 << 26 < peak < 1 << 36
    speed = sorted(row["images_per_second"] for row in log)[2]
    assert said[-2].startswith("10 steps in ")
    assert said[-2].endswith(f" s, {speed:,.0f} images/s (median), {peak / 2**30:.1f} GiB of memory at most")
    assert said[-1].startswith(f"at the end: loss {log[-1]['loss']:.3g}, accuracy ")
    assert said[-1].endswith(f" %, gradient norm {log[-1]['gradient_norm']:.3g}")
    log[1]["skipped"] = 3
    run.log_file.write_text("".join(json.dumps(row) + "\n" for row in log))
    assert "3 steps skipped, which were not finite" in run_summary(run)


def test_the_speed_leaves_out_what_was_done_beside_the_steps_of_the_line_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A validation that a stop has prevented is made before the first step of the run that goes on."""
    trainer, now = small_trainer(log_every=2), [0.0]
    monkeypatch.setattr("nsface.training.trainer.time.perf_counter", lambda: now[0])

    def step(*arguments: Any) -> Any:
        now[0] += 3.0
        return original(*arguments)

    original = trainer._train_step
    monkeypatch.setattr(trainer, "_train_step", step)
    trainer.seconds_beside = 1000.0
    run = trainer.run()
    lines = [next(run) for _ in range(2)]
    trainer.seconds_beside += 50.0
    now[0] += 50.0
    lines += [next(run) for _ in range(2)]
    assert [line["images_per_second"] for line in lines if line] == [pytest.approx(2.0)] * 2
