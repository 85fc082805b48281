"""On a full disk the newest good state stays, the training goes on, and nothing is half-written."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nsface.errors import DiskFull, NsfaceError
from nsface.recipe.schema import Recipe
from nsface.run_folder import RunFolder
from nsface.training.guards import disk
from nsface.training.loop import removed
from nsface.training.run import train
from nsface.training.tensorboard import TensorBoard
from nsface.training.trainer import Trainer

Small = Callable[..., Recipe]
Full = Callable[[int], AbstractContextManager[None]]
Logged = Callable[[Path], list[dict[str, float]]]


@pytest.fixture(scope="module")
def whole(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that had room enough."""
    out = tmp_path_factory.mktemp("whole")
    train(small(), out)
    return out


def after_step(monkeypatch: pytest.MonkeyPatch, step: int, action: Callable[[], object]) -> None:
    """From now on `action` is called after `step` steps."""
    original = Trainer._train_step

    def then(self: Trainer, *batch: Any) -> Any:
        result = original(self, *batch)
        if self.step == step:
            action()
        return result

    monkeypatch.setattr(Trainer, "_train_step", then)


def no_room(monkeypatch: pytest.MonkeyPatch, free: int = 1000) -> None:
    usage = SimpleNamespace(disk_usage=lambda folder: SimpleNamespace(free=free))
    monkeypatch.setattr(disk, "shutil", usage)


def steps(out: Path) -> list[int]:
    """The steps of the states in the folder, the newest first; nothing else may be there."""
    names = sorted(path.name for path in (out / "checkpoints").iterdir())
    assert set(names) <= {"latest.pt", "previous.pt"}
    return [torch.load(out / "checkpoints" / name, weights_only=True)["step"] for name in names]


def assert_same_run(one: Path, other: Path, logged: Logged) -> None:
    first, second = (load_file(out / "model.safetensors") for out in (one, other))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert logged(one) == logged(other)


def test_without_room_for_a_state_the_training_goes_on_and_says_so_once(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path, logged: Logged
) -> None:
    said: list[str] = []
    with monkeypatch.context() as patched:
        after_step(patched, 6, lambda: no_room(patched))
        after_step(patched, 14, patched.undo)
        train(small(checkpoint_minutes=1e-9), tmp_path / "run", note=said.append)
    notes = [line for line in said if "disk" in line]
    assert len(notes) == 1
    assert re.search(r"a state takes \d+\.\d MiB, and 0\.0 MiB are free; the state of step ", notes[0])
    assert steps(tmp_path / "run")[0] == 15
    assert_same_run(tmp_path / "run", whole, logged)


def test_a_disk_that_is_full_in_the_middle_of_a_state(
    small: Small,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    full_disk: Full,
    whole: Path,
    logged: Logged,
) -> None:
    said: list[str] = []
    with ExitStack() as stack, monkeypatch.context() as patched:
        after_step(patched, 9, lambda: stack.enter_context(full_disk(40_000)))
        after_step(patched, 14, stack.close)
        train(small(), tmp_path / "run", note=said.append)
    lines = [line for line in said if "the disk is nearly full: cannot write" in line]
    assert len(lines) == 1
    assert "inline_container" not in lines[0], "no file of PyTorch's"
    assert steps(tmp_path / "run") == [15, 5]
    assert_same_run(tmp_path / "run", whole, logged)


@pytest.mark.parametrize(
    ("stop", "left"), [(15, "the state of step 5 stays"), (3, "no state has been saved yet")]
)
def test_a_run_that_ends_without_room_says_what_stays(
    small: Small,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: Path,
    logged: Logged,
    stop: int,
    left: str,
) -> None:
    with monkeypatch.context() as patched:
        after_step(patched, min(stop, 6), lambda: no_room(patched))
        if stop == 3:
            after_step(patched, stop, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(
            DiskFull, match=rf"^cannot write [^\n]*latest\.pt: a state takes [^\n]* free; {left}; free"
        ):
            train(small(), tmp_path / "run")
    assert steps(tmp_path / "run") == ([5] if stop == 15 else [])
    train(small(), tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", whole, logged)


def test_a_run_without_room_for_a_state_to_go_back_to_does_not_begin(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_room(monkeypatch)
    with pytest.raises(DiskFull, match=r"a state takes .* free; no state has been saved yet; free some"):
        train(small(guard={"then": "lower-rate"}), tmp_path / "run")
    assert steps(tmp_path / "run") == []


def test_a_log_on_a_full_disk_has_whole_lines(
    small: Small,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    full_disk: Full,
    whole: Path,
    logged: Logged,
) -> None:
    out = tmp_path / "run"
    with ExitStack() as stack, monkeypatch.context() as patched:
        after_step(patched, 5, lambda: stack.enter_context(full_disk(800)))
        with pytest.raises(
            DiskFull, match=r"^cannot write [^\n]*log\.jsonl: file too large; free some space and go on"
        ):
            train(small(), out)
    text = (out / "log.jsonl").read_text()
    assert text.endswith("}\n")
    assert [json.loads(line)["step"] for line in text.splitlines()] == [2, 4, 6][: text.count("\n")]
    assert 500 < len(text) < 800
    train(small(), out, resume=True)
    assert_same_run(out, whole, logged)


@pytest.mark.parametrize("name", ["write_recipe", "write_environment"])
def test_a_run_that_cannot_write_its_first_files(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_disk: Full, name: str
) -> None:
    write = getattr(RunFolder, name)

    def on_a_full_disk(*arguments: Any) -> None:
        with full_disk(100):
            write(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, name, on_a_full_disk)
        with pytest.raises(
            DiskFull, match=r"^cannot write [^\n]*/(recipe\.yaml|environment\.json): file too large$"
        ):
            train(small(), tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").rglob("*")} <= {"checkpoints", "recipe.yaml"}
    assert train(small(epochs=1, schedule={}), tmp_path / "run", resume=True, changed=True).exists()


def test_curves_on_a_full_disk_are_an_error_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    board = TensorBoard(tmp_path / "curves", 0)

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(board._writer, "add_scalar", full)
    with pytest.raises(DiskFull, match=r"curves: no space left on device; free some space and go on with"):
        board.write("training", {"loss": 1.0}, 1)


@pytest.mark.parametrize("gone", ["", "checkpoints", "log.jsonl"])
def test_what_is_removed_during_a_training_is_named(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    out = tmp_path / "run"
    path = out / gone
    with monkeypatch.context() as patched:
        after_step(patched, 3, lambda: shutil.rmtree(path) if path.is_dir() else path.unlink())
        with pytest.raises(NsfaceError, match="something has removed it during the") as caught:
            train(small(), out)
    assert str(caught.value).startswith(f"{path}")
    train(small(), out, resume=True)


def test_what_is_missing_elsewhere_is_no_fault_of_the_user(tmp_path: Path) -> None:
    error = FileNotFoundError(errno.ENOENT, "No such file or directory", str(tmp_path / "other" / "x"))
    assert removed(error, tmp_path / "run") is None
    assert removed(FileNotFoundError("no path"), tmp_path / "run") is None
    assert removed(error, tmp_path / "other") == error.filename


def test_a_state_needs_more_than_the_bytes_of_its_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 10**9
    for free, short in ((size, True), (size + size // 100, True), (size + size // 50, False)):
        no_room(monkeypatch, free)
        assert (disk.Disk(tmp_path / "latest.pt", None).shortage(size) is not None) == short
