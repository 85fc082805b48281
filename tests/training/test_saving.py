"""When states are saved, that the training goes on meanwhile, and that neither changes its result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nsface.errors import NsfaceError, RecipeError
from nsface.recipe.schema import Recipe
from nsface.training import host_copy, saving
from nsface.training.checkpoint import load_checkpoint, save_checkpoint
from nsface.training.run import train
from nsface.training.trainer import Trainer

Small = Callable[..., Recipe]
Logged = Callable[[Path], list[dict[str, float]]]
CPU = torch.device("cpu")
STATES = ("latest.pt", "previous.pt")


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps whose states have been written."""
    steps: list[int] = []

    def noted(path: Path, state: dict[str, Any]) -> None:
        save_checkpoint(path, state)
        steps.append(state["step"])

    monkeypatch.setattr(saving, "save_checkpoint", noted)
    return steps


@pytest.fixture
def a_minute_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step takes a minute by the clock of `Saver`, and no step is taken while a state is written."""
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    step = Trainer._train_step

    def timed(self: Trainer, *arguments: Any, **options: Any) -> Any:
        clock.now += 60
        return step(self, *arguments, **options)

    monkeypatch.setattr(Trainer, "_train_step", timed)
    monkeypatch.setattr(saving, "time", clock)
    monkeypatch.setattr(host_copy, "SHARE", 0)


@pytest.mark.usefixtures("a_minute_a_step")
@pytest.mark.parametrize(
    ("minutes", "steps"),
    [(None, [5, 10, 15]), (10, [5, 10, 15]), (4, [4, 5, 9, 10, 14, 15]), (2.5, [3, 5, 8, 10, 13, 15])],
)
def test_a_state_is_saved_after_so_many_minutes_and_after_each_epoch(
    small: Small, tmp_path: Path, saved: list[int], minutes: float | None, steps: list[int]
) -> None:
    train(small(checkpoint_minutes=minutes), tmp_path / "run")
    assert saved == steps


@pytest.mark.parametrize("minutes", [0, -1, float("inf"), "10"])
def test_minutes_that_are_none(small: Small, minutes: Any) -> None:
    with pytest.raises(ValueError, match="checkpoint_minutes"):
        small(checkpoint_minutes=minutes)


def test_minutes_do_not_decide_the_weights(small: Small, tmp_path: Path) -> None:
    assert small(checkpoint_minutes=None).digest() == small().digest()
    train(small(epochs=2), tmp_path / "run").unlink()
    train(small(epochs=2, checkpoint_minutes=0.05), tmp_path / "run", resume=True)
    with pytest.raises(RecipeError, match="seed"):
        train(small(epochs=2, seed=1), tmp_path / "run", resume=True)


class Killed(Exception):
    pass


@pytest.mark.parametrize("beside", [False, True])
def test_killed_within_an_epoch_it_goes_on_from_there_to_the_same_bits_and_log(
    small: Small,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    logged: Logged,
    saved: list[int],
    beside: bool,
) -> None:
    """The log has a line every second step, so that half of the states lie between two lines."""
    whole = load_file(train(small(checkpoint_minutes=None), tmp_path / "whole"))
    assert saved == [5, 10, 15]
    step = Trainer._train_step
    taken: list[int | None] = []

    def until_killed(self: Trainer, *arguments: Any, **options: Any) -> Any:
        if len(taken) in (3, 8, 12):
            taken.append(None)
            raise Killed
        taken.append(self.step)
        return step(self, *arguments, **options)

    monkeypatch.setattr(Trainer, "_train_step", until_killed)
    if not beside:
        monkeypatch.setattr(host_copy, "SHARE", 0)
    always, out = small(checkpoint_minutes=1e-9), tmp_path / "run"
    for resume in (False, True, True):
        with pytest.raises(Killed):
            train(always, out, resume=resume)
    notes: list[str] = []
    kept = load_checkpoint(out / "checkpoints" / "latest.pt", CPU)["step"]
    resumed = load_file(train(always, out, resume=True, note=notes.append))
    assert f"going on after step {kept} of 15" in notes
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert logged(out) == logged(tmp_path / "whole")
    assert {path.name for path in (out / "checkpoints").iterdir()} == set(STATES)
    assert any(step % 5 for step in saved)
    if not beside:  # then a state is there for every step, and none is taken twice
        assert [step for step in taken if step is not None] == list(range(15))


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The state of step 5 is written no sooner than step 8 has been taken; the steps taken meanwhile."""
    go_on = threading.Event()
    taken: list[int] = []
    step = Trainer._train_step

    def noted(self: Trainer, *arguments: Any, **options: Any) -> Any:
        result = step(self, *arguments, **options)
        if not go_on.is_set() and self.step > 5:
            taken.append(self.step)
        if self.step == 8:
            go_on.set()
        return result

    def when_allowed(path: Path, state: dict[str, Any]) -> None:
        if state["step"] == 5:
            assert go_on.wait(60), "the training waits for the disk"
        save_checkpoint(path, state)

    monkeypatch.setattr(Trainer, "_train_step", noted)
    monkeypatch.setattr(saving, "save_checkpoint", when_allowed)
    return taken


def tensors(state: Any) -> list[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return [state]
    return [tensor for item in state.values() for tensor in tensors(item)] if isinstance(state, dict) else []


def test_the_training_goes_on_while_the_state_that_was_is_written(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow_disk: list[int]
) -> None:
    recipe = small(epochs=2, checkpoint_minutes=None)
    train(recipe, tmp_path / "beside")
    assert slow_disk == [6, 7, 8]
    with monkeypatch.context() as patched:
        patched.setattr(host_copy, "SHARE", 0)
        train(recipe, tmp_path / "between")
    assert slow_disk == [6, 7, 8], "with no memory for a copy it waits"
    for name, step in {"previous.pt": 5, "latest.pt": 10}.items():  # copied before the next step changed it
        states = [
            load_checkpoint(tmp_path / run / "checkpoints" / name, CPU) for run in ("beside", "between")
        ]
        assert [state["step"] for state in states] == [step, step]
        pairs = list(zip(*map(tensors, states), strict=True))
        assert len(pairs) > 50
        assert all(torch.equal(*pair) and pair[0].stride() == pair[1].stride() for pair in pairs)


def test_a_state_that_cannot_be_written_ends_the_training_in_one_line(
    small: Small, tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]], logged: Logged
) -> None:
    whole = load_file(train(small(), tmp_path / "whole"))
    train(small(epochs=2), tmp_path / "run").unlink()
    before = [(tmp_path / "run" / "checkpoints" / name).read_bytes() for name in STATES]
    with (
        full_disk(40_000),
        pytest.raises(NsfaceError, match=r"^cannot write [^\n]*latest\.pt[^\n]*full\?; the [^\n]*$"),
    ):
        train(small(), tmp_path / "run", resume=True)
    assert [(tmp_path / "run" / "checkpoints" / name).read_bytes() for name in STATES] == before
    resumed = load_file(train(small(), tmp_path / "run", resume=True))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert logged(tmp_path / "run") == logged(tmp_path / "whole")
