"""A table as one job: written as it goes, stopped and taken up again, in one process or several."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import nsface
from nsface.errors import DataError, NsfaceError
from nsface.reproduce import jobs
from nsface.reproduce.arms import ARMS, BIAS, Arm
from nsface.reproduce.remedies import in_words_of_tables
from nsface.reproduce.running import RESULTS, default_processes, reproduce, where
from nsface.run_folder import RunFolder
from nsface.training.loop import Interrupted
from nsface.training.testing import ClassificationTests

Given = dict[str, Any]
ARMS_HERE, SEEDS = ("softmax", "noisy-0.1"), (0, 1)
# by a training that resumes; of a divergence the table says the reason alone
NEVER_SAID = ("X holds a run already", "--changed: X cannot change", "X; likely causes: X; X with the same")
FILES = {"figures", "results.html", "results.json", "results.md"}


def trained(out: Path, given: Given, **options: Any) -> None:
    defaults: Given = {"scale": "quick", "seeds": SEEDS, "arms": ARMS_HERE, "processes": 1}
    reproduce("cifar10", out, given, **(defaults | options))


def results(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / RESULTS).read_text())
    return content


def without_times(content: dict[str, Any]) -> dict[str, Any]:
    content["environment"].pop("started")
    for arm in content["arms"].values():
        assert all(seconds > 0 for seconds in arm.pop("seconds").values())
    return content


@pytest.fixture(scope="module")
def at_one_go(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of a table that nothing has stopped, in one process."""
    from tests.reproduce.small import SETTINGS

    out = tmp_path_factory.mktemp("whole")
    trained(out, {"data": str(images), **SETTINGS}, command="nsface reproduce")
    assert {path.name for path in out.iterdir()} >= FILES
    content = results(out)
    assert content["command"] == "nsface reproduce"
    content.pop("command")
    return without_times(content)


def test_the_results_are_those_of_the_runs(at_one_go: dict[str, Any]) -> None:
    assert (at_one_go["trainings"], at_one_go["expected"]) == (4, 4)
    assert at_one_go["environment"]["test_images"] == 15
    assert list(at_one_go["arms"]) == list(ARMS_HERE)
    for arm in at_one_go["arms"].values():
        errors = arm["error"]["by_seed"]
        assert list(errors) == ["0", "1"]
        assert all(error * 15 == pytest.approx(round(error * 15)) for error in errors.values())
        assert all(best <= errors[seed] for seed, best in arm["best_error"]["by_seed"].items())
    assert at_one_go["arms"]["noisy-0.1"]["changes"] == {"head.name": "noisy-softmax", "head.alpha2": 0.1}


def stopping(after: int) -> Any:
    """Let a SIGTERM come while the first test of training number `after` is made."""
    begun: list[ClassificationTests] = []
    usual = ClassificationTests.begin

    def begin(tests: ClassificationTests) -> None:
        begun.append(tests)
        usual(tests)
        if len(begun) == after:
            signal.raise_signal(signal.SIGTERM)

    return mock.patch.object(ClassificationTests, "begin", begin)


class Killed(BaseException):
    """As SIGKILL: nothing is saved."""


def killing(after: int) -> Any:
    """End the training number `after` without a word, in the middle."""
    begun: list[ClassificationTests] = []
    usual = ClassificationTests.validate_if_due

    def validate(tests: ClassificationTests, stopped: Any) -> bool:
        if tests not in begun:
            begun.append(tests)
        if len(begun) == after and tests.tests:
            raise Killed
        return usual(tests, stopped)

    return mock.patch.object(ClassificationTests, "validate_if_due", validate)


def test_stopped_and_killed_it_ends_with_the_same_results(
    tmp_path: Path, given: Given, at_one_go: dict[str, Any]
) -> None:
    with stopping(after=3), pytest.raises(Interrupted, match=r"^softmax, seed 1: stopped; the same command"):
        trained(tmp_path, given)
    assert results(tmp_path)["trainings"] == 2  # with what has ended until then
    with killing(after=2), pytest.raises(Killed):
        trained(tmp_path, given)
    found = results(tmp_path)
    assert (found["trainings"], found["expected"]) == (3, 4)
    assert {path.name for path in tmp_path.iterdir()} >= FILES
    (tmp_path / RESULTS).unlink()  # as if it had been killed before they were written
    with stopping(after=1), pytest.raises(Interrupted):
        trained(tmp_path, given)
    assert results(tmp_path)["trainings"] == 3
    trained(tmp_path, given)
    assert without_times(results(tmp_path)) == at_one_go


@pytest.fixture
def terminated(tmp_path: Path) -> Iterator[None]:
    """A SIGTERM comes to this process as soon as a training has ended."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            if (tmp_path / RESULTS).exists():
                os.kill(os.getpid(), signal.SIGTERM)
                return

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.usefixtures("terminated")
def test_several_at_once_are_stopped_and_end_with_the_results_of_one_after_another(
    tmp_path: Path, given: Given, at_one_go: dict[str, Any]
) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    said: list[str] = []
    with pytest.raises(Interrupted, match=r"^stopped; the same command goes on$"):
        trained(tmp_path, given, processes=2, note=said.append)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    ended = results(tmp_path)["trainings"]
    assert 1 <= ended < 4
    assert any("test error" in line and f"{ended} of 4 trainings done" in line for line in said)
    deadline = time.monotonic() + 20
    while any(RunFolder(path).in_use() for path in tmp_path.iterdir() if (path / "recipe.yaml").exists()):
        assert time.monotonic() < deadline, "a process goes on"
        time.sleep(0.05)
    trained(tmp_path, given)
    assert without_times(results(tmp_path)) == at_one_go


def test_what_is_done_is_not_trained_again(tmp_path: Path, given: Given) -> None:
    trained(tmp_path, given, arms=("softmax",), seeds=(0,))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "softmax-seed0").rglob("*")}
    said: list[str] = []
    with mock.patch.object(jobs, "train", side_effect=AssertionError):
        trained(tmp_path, given, arms=("softmax",), seeds=(0,), note=said.append)
    assert said == ["1 of 1 trainings are done already"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "softmax-seed0").rglob("*")} == before


def test_a_test_that_is_lost_is_no_divergence_and_no_earlier_one_takes_its_place(
    tmp_path: Path, given: Given
) -> None:
    small = {"arms": ("softmax",), "seeds": (0,)}
    trained(tmp_path, given | {"test_every": 0.5}, **small)
    file = tmp_path / "softmax-seed0" / "test.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    assert len(lines) > 1
    for left in ("", lines[0]):
        file.write_text(left)
        with pytest.raises(
            DataError, match=r"test\.jsonl: the test after step 4 is not there; remove the fol"
        ):
            trained(tmp_path, given | {"test_every": 0.5}, **small)
    file.unlink()
    with pytest.raises(DataError, match="the test after step 4 is not there"):
        trained(tmp_path, given | {"test_every": 0.5}, **small)


def test_remedies_are_options_that_the_command_has(tmp_path: Path, given: Given) -> None:
    trained(tmp_path, given | {"iterations": 2}, arms=("softmax",), seeds=(0,))
    with pytest.raises(NsfaceError, match="differs from the recipe given") as refused:
        trained(tmp_path, given | {"optimizer.learning_rate": 0.01}, arms=("softmax",), seeds=(0,))
    assert str(refused.value).endswith("repeat the options of that run, or choose another --out")
    messages = [
        "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        for module in ("training", "images/batches")
        for path in (Path(nsface.__path__[0]) / module).rglob("*.py")
        if path.name != "series.py"  # of `nsface train --seeds`
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.JoinedStr)
    ]
    missing = re.compile("--(resume|changed|batch-size|seeds|head|network|epochs)")
    given_back = [text for text in map(in_words_of_tables, messages) if missing.search(text)]
    assert [text for text in given_back if not text.startswith(NEVER_SAID)] == []
    assert sum(bool(missing.search(text)) for text in messages) >= len(given_back) + 5


def test_other_images_are_refused_before_anything_is_trained(
    tmp_path: Path, images: Path, given: Given
) -> None:
    own = tmp_path / "images"
    shutil.copytree(images, own)
    trained(tmp_path / "out", given | {"data": str(own)}, arms=("softmax",), seeds=(0,))
    (own / "train" / "cat" / "0.png").write_bytes((own / "train" / "dog" / "0.png").read_bytes())
    with (
        mock.patch.object(jobs, "train", side_effect=AssertionError),
        pytest.raises(DataError, match=r"train: these are not the images of the trainings in .*out \(names"),
    ):
        trained(tmp_path / "out", given | {"data": str(own)}, seeds=(0,))
    trained(tmp_path / "other", given | {"data": str(own)}, arms=("noisy-0.1",), seeds=(0,))
    (tmp_path / "other" / "noisy-0.1-seed0").rename(tmp_path / "out" / "noisy-0.1-seed0")
    with pytest.raises(DataError, match=r"softmax-seed0 and .*noisy-0\.1-seed0 were trained on different im"):
        trained(tmp_path / "out", given | {"data": str(own)}, seeds=(0,))


def test_a_table_is_of_one_task(tmp_path: Path, given: Given) -> None:
    with pytest.raises(NsfaceError, match=r"^--set task: the table decides that; leave it out"):
        trained(tmp_path, given | {"task": "embedding"})


def test_an_arm_that_diverges_is_recorded_and_the_others_go_on(
    tmp_path: Path, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"head.name": "softmax", **BIAS, "optimizer.learning_rate": 1e30, "guard.skip": 1}
    monkeypatch.setitem(ARMS, "wild", Arm("Wild", changes))
    said: list[str] = []
    trained(tmp_path, given, arms=("wild", "softmax"), seeds=(3,), note=said.append)
    found = results(tmp_path)
    assert found["trainings"] == 2
    assert found["arms"]["wild"]["diverged"] == [3]
    assert found["arms"]["wild"]["error"] == {"by_seed": {}, "mean": None, "std": None, "interval": None}
    assert list(found["arms"]["softmax"]["error"]["by_seed"]) == ["3"]
    assert sum(line.startswith("wild, seed 3: diverged: ") for line in said) == 1
    page = (tmp_path / "results.html").read_text()
    assert "Wild: 1 of 1 training diverged (seed 3), and is in no mean." in page
    with mock.patch.object(jobs, "train", side_effect=AssertionError):
        trained(tmp_path, given, arms=("wild", "softmax"), seeds=(3,))


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path, given: Given) -> None:
    def refused() -> None:
        with pytest.raises(NsfaceError, match="another process is training"):
            trained(tmp_path, given, seeds=(0,))
        assert not (tmp_path / RESULTS).exists()

    with mock.patch("nsface.files.lock", return_value=False):
        refused()
    with RunFolder(tmp_path / "softmax-seed0").locked():
        refused()


def test_environments_that_differ_are_all_named(tmp_path: Path, given: Given) -> None:
    made = jobs.jobs_of("cifar10", {}, ["softmax"], [0, 1], tmp_path, given)
    for job, device in zip(made, ("cpu", "cuda"), strict=True):
        job.folder.mkdir()
        (job.folder / "model.safetensors").touch()
        environment = {"device": device, "torch": "2.6", "started": f"2026-11-2{job.recipe.seed}"}
        RunFolder(job.folder).write_environment(environment)
    assert where(made) == {"device": ["cpu", "cuda"], "torch": "2.6", "started": "2026-11-20"}
    assert where([]) == {}


def test_threads_depend_on_the_command_and_not_on_what_is_left(
    tmp_path: Path, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(jobs, "cores", lambda: 6)
    made = jobs.jobs_of("cifar10", {}, ["softmax"], [0, 1], tmp_path, given)
    assert [jobs._threads_of_each(made, processes) for processes in (1, 2, 4, 9)] == [None, 3, 1, 1]
    monkeypatch.setattr("nsface.reproduce.running.cores", lambda: 6)
    assert default_processes(made) == 4
