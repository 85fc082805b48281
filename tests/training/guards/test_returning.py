"""A training that diverges goes back to the end of an epoch with a lower rate, to the same bits if killed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from nsface.errors import ModelError
from nsface.recipe.schema import Recipe
from nsface.report.checks import find_checks
from nsface.report.runs import read_runs
from nsface.training.run import train
from nsface.training.trainer import Diverged, Trainer

Small = Callable[..., Recipe]
Logged = Callable[[Path], list[dict[str, float]]]
GUARD = {"skip": 2, "then": "lower-rate", "factor": 0.5, "returns": 2}
LOW = {"optimizer": {"learning_rate": 0.025, "nesterov": True}}


def diverging(
    monkeypatch: pytest.MonkeyPatch, steps: Mapping[int, float], die_before: Sequence[int] = ()
) -> None:
    """From now on images are not finite in some steps, counted from 0, while the rate is high.

    Args:
        steps: for each, the share of the learning rate of the recipe above which it is high.
        die_before: the calls of a step, counted from 0 over all trainings, at which the training dies.
    """
    original, calls = Trainer._train_step, iter(range(1 << 30))

    def step(self: Trainer, images: Tensor, labels: Tensor) -> Any:
        if next(calls) in die_before:
            raise SystemError("killed")
        if self.returns.rate > steps.get(self.step, 1):
            images = images * torch.nan
        return original(self, images, labels)

    monkeypatch.setattr(Trainer, "_train_step", step)


def environment(out: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((out / "environment.json").read_text())
    return read


def assert_same(one: Path, other: Path) -> None:
    first, second = (load_file(out / "model.safetensors") for out in (one, other))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_it_goes_on_as_a_run_whose_rate_was_lowered_by_hand(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    said: list[str] = []
    with monkeypatch.context() as patched:
        diverging(patched, {6: 0.5, 7: 0.5})
        train(small(guard=GUARD), tmp_path / "run", note=said.append)
    by_hand = tmp_path / "hand"
    with monkeypatch.context() as patched:
        diverging(patched, {}, die_before=[5])
        with pytest.raises(SystemError):
            train(small(), by_hand)
    train(small(**LOW), by_hand, resume=True, changed=True)
    assert_same(tmp_path / "run", by_hand)
    assert logged(tmp_path / "run") == logged(by_hand)
    why = "the loss is nan at step 8, in 2 steps in a row"
    went_back = "went back from step 8 to step 5, with 0.5 times the learning rate"
    assert environment(tmp_path / "run")["returns"] == [
        {"step": 8, "to": 5, "learning_rate": 0.5, "why": why}
    ]
    assert f"run: {went_back}" in find_checks(read_runs([tmp_path / "run"]))
    assert said[-1] == went_back
    notes = [line for line in said if "going back" in line]
    assert notes == [
        f"note: {why}; going back to the state of step 5, with 0.5 times the learning rate of the recipe "
        "(return 1 of 2)"
    ]


STEPS = {2: 0.5, 3: 0.5, 11: 0.25, 12: 0.25}
KILLS: list[tuple[float | None, list[int]]] = [(None, [3, 8, 12, 17]), (1e-9, [1, 2, 3, 5, 8, 13, 21])]


def test_killed_anywhere_it_ends_with_the_same_bits(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    """It diverges in its first epoch and in its third; states are saved after epochs, or always."""
    recipe, whole = small(guard=GUARD, log_every=3), tmp_path / "whole"
    with monkeypatch.context() as patched:
        diverging(patched, STEPS)
        train(recipe, whole)
    assert [(one["to"], one["learning_rate"]) for one in environment(whole)["returns"]] == [
        (0, 0.5),
        (10, 0.25),
    ]
    for minutes, kills in KILLS:
        out = tmp_path / str(minutes)
        often = recipe.model_copy(update={"checkpoint_minutes": minutes})
        with monkeypatch.context() as patched:
            diverging(patched, STEPS, die_before=kills)
            for _ in kills:
                with pytest.raises(SystemError):
                    train(often, out, resume=out.exists())
            train(often, out, resume=True)
        assert_same(out, whole)
        assert logged(out) == logged(whole)
        assert [one["learning_rate"] for one in environment(out)["returns"]] == [0.5, 0.25]
        assert {path.name for path in (out / "checkpoints").iterdir()} == {
            "latest.pt",
            "previous.pt",
            "good.pt",
        }


def test_every_return_is_to_the_end_of_an_epoch_also_where_states_are_saved_in_between(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverging(monkeypatch, {7: 0.25, 8: 0.25})
    # a state is being written for no longer than a step, so that one is saved after every step
    monkeypatch.setattr("nsface.training.saving.may_be_copied", lambda state: False)
    train(small(guard=GUARD, checkpoint_minutes=1e-9), tmp_path / "run")
    assert [one["to"] for one in environment(tmp_path / "run")["returns"]] == [5, 5]


@pytest.mark.parametrize("content", [None, b"", b"damaged"])
def test_it_says_that_it_cannot_go_back_to_a_state_that_is_damaged(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    original = Trainer._train_step

    def step(self: Trainer, images: Tensor, labels: Tensor) -> Any:
        good = tmp_path / "checkpoints" / "good.pt"
        good.unlink(missing_ok=True) if content is None else good.write_bytes(content)
        return original(self, images * torch.nan, labels)

    monkeypatch.setattr(Trainer, "_train_step", step)
    with pytest.raises(
        ModelError, match=r"in 2 steps in a row; the state to go back to cannot be used: .*good"
    ):
        train(small(guard=GUARD), tmp_path)


def test_an_epoch_whose_last_step_was_skipped_counts_from_the_next_step_on(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverging(monkeypatch, {9: 0.5, 12: 0.5, 13: 0.5})
    train(small(guard=GUARD), tmp_path / "run")
    assert [one["to"] for one in environment(tmp_path / "run")["returns"]] == [11]


def test_it_stops_where_no_return_is_left_and_takes_another_rate_as_it_stands(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        diverging(patched, {6: 0, 7: 0})
        message = (
            r"in 2 steps in a row, after 2 returns to an earlier state, of late with 0\.25 times the "
            r"learning rate; the last good state, of step 5, stays in .*learning_rate \(0\.0125\) too high"
        )
        with pytest.raises(Diverged, match=message):
            train(small(guard=GUARD), out)
    train(small(guard=GUARD, **LOW), out, resume=True, changed=True)
    assert environment(out)["changes"][0]["optimizer.learning_rate"] == [0.05, 0.025]
    rates = [json.loads(line)["learning_rate"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert rates[-1] == pytest.approx(0.0025)


def test_guards_that_are_none(small: Small) -> None:
    for wrong in (
        {"skip": 0},
        {"factor": 1.0},
        {"factor": 0.0},
        {"returns": 0},
        {"then": "back"},
        {"learning": 0},
    ):
        with pytest.raises(ValueError, match=rf"guard\.{next(iter(wrong))}"):
            small(guard=wrong)
    assert small(guard={"skip": 10}).digest() == small().digest() != small(guard={"skip": 9}).digest()
