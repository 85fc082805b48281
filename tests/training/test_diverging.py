"""No state and no model that is not finite is written; the last good one stays, and a run goes on from it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nsface.errors import NsfaceError, RecipeError
from nsface.finite import not_finite
from nsface.recipe.schema import Recipe
from nsface.training.checkpoint import load_checkpoint, tensors
from nsface.training.loop import Interrupted
from nsface.training.run import train
from nsface.training.trainer import Diverged, Trainer

Small = Callable[..., Recipe]
Logged = Callable[[Path], list[dict[str, float]]]
NAN, INF = float("nan"), float("inf")
CENTER = {"auxiliary": [{"name": "center", "weight": 0.1}]}


def weight(trainer: Trainer) -> torch.Tensor:
    return next(trainer.network.parameters()).data


def running_mean(trainer: Trainer) -> torch.Tensor:
    mean: torch.Tensor = trainer.network.state_dict()["stem.1.running_mean"]
    return mean


def class_weights(trainer: Trainer) -> torch.Tensor:
    return trainer.head.weight.data


def momentum(trainer: Trainer) -> torch.Tensor:
    buffer: torch.Tensor = trainer.optimizer.state[trainer.head.weight]["momentum_buffer"]
    return buffer


def centers(trainer: Trainer) -> torch.Tensor:
    held: torch.Tensor = trainer.auxiliary.state_dict()["center.centers"]
    return held


def poisoned(
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    place: Callable[[Trainer], torch.Tensor],
    value: float,
    stop: bool = False,
) -> None:
    """From now on, what `place` gives is `value` in one element after `step` steps."""
    original = Trainer._train_step

    def once(self: Trainer, *arguments: Any, **options: Any) -> Any:
        result = original(self, *arguments, **options)
        if self.step == step:
            tensor = place(self)
            tensor[(0,) * tensor.ndim] = value
            if stop:
                os.kill(os.getpid(), signal.SIGTERM)
        return result

    monkeypatch.setattr(Trainer, "_train_step", once)


def check_kept(out: Path, step: int) -> None:
    state = load_checkpoint(out / "checkpoints" / "latest.pt", torch.device("cpu"))
    assert state["step"] == step
    assert not_finite(tensors(state)) == []
    assert not (out / "model.safetensors").exists()


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("place", [weight, running_mean, class_weights, momentum, centers])
def test_the_last_good_state_stays_and_is_named(
    small: Small,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: Callable[[Trainer], torch.Tensor],
    value: float,
) -> None:
    recipe = small(log_every=100, **CENTER if place is centers else {})
    with monkeypatch.context() as patched:
        poisoned(patched, 10, place, value)
        with pytest.raises(Diverged, match=r"no longer finite at step 10 .*of step 5, stays in .*latest\.pt"):
            train(recipe, tmp_path / "run")
    check_kept(tmp_path / "run", 5)


def test_a_run_that_diverged_goes_on_to_the_bits_of_one_that_did_not(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    whole = load_file(train(small(), tmp_path / "whole"))
    with monkeypatch.context() as patched:
        poisoned(patched, 7, weight, NAN)
        with pytest.raises(Diverged, match=r"nan at step 8, and what .* finite \(stem\.0.* of step 5"):
            train(small(), tmp_path / "run")
    resumed = load_file(train(small(), tmp_path / "run", resume=True))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert logged(tmp_path / "run") == logged(tmp_path / "whole")


def test_interrupted_while_the_weights_are_nan(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned(monkeypatch, 7, weight, NAN, stop=True)
    with pytest.raises(Diverged, match=r"no longer finite at step 7 .*of step 5, stays") as error:
        train(small(), tmp_path / "run")
    assert "--resume --changed" in str(error.value)
    check_kept(tmp_path / "run", 5)


def test_interrupted_after_a_skipped_step_it_keeps_the_state_before(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    step, stop = Trainer._train_step, [True]

    def skipped(self: Trainer, images: torch.Tensor, labels: torch.Tensor) -> Any:
        if self.step == 7:
            if stop.pop():
                os.kill(os.getpid(), signal.SIGTERM)
            images = images * NAN
        return step(self, images, labels)

    monkeypatch.setattr(Trainer, "_train_step", skipped)
    with pytest.raises(Interrupted, match="stopped after step 8 of 15, with the state of step 5; go on"):
        train(small(), tmp_path / "run")
    check_kept(tmp_path / "run", 5)
    stop += [False, False]
    resumed, whole = train(small(), tmp_path / "run", resume=True), train(small(), tmp_path / "whole")
    assert resumed.read_bytes() == whole.read_bytes()
    assert logged(tmp_path / "run") == logged(tmp_path / "whole")


@pytest.mark.parametrize("rate", [1e8, 1e30, 1e38, 1e300])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_rates_that_are_far_too_high_leave_nothing_that_is_not_finite(
    small: Small, tmp_path: Path, rate: float, steps: int
) -> None:
    wild = {"optimizer": {"learning_rate": rate}, "schedule": {}, "epochs": None, "iterations": steps}
    model = tmp_path / "run" / "model.safetensors"
    with contextlib.suppress(NsfaceError):
        train(small(**wild), tmp_path / "run")
    assert model.exists() <= (rate == 1e8)
    if model.exists():
        assert not_finite(load_file(model)) == []
    else:
        assert not list(tmp_path.rglob("*.pt"))


def test_diverged_at_once_it_begins_again_with_a_lower_rate(
    small: Small, tmp_path: Path, logged: Logged
) -> None:
    wild = small(optimizer={"learning_rate": 1e30}, log_every=1)
    with pytest.raises(
        Diverged, match=r"loss is nan at step 11, in 10 .* no state had been saved yet; .*begin again"
    ):
        train(wild, tmp_path / "run")
    tame = small(optimizer={"learning_rate": 0.01}, log_every=1, seed=3)
    with pytest.raises(RecipeError, match="differs from the recipe given in optimizer, seed"):
        train(tame, tmp_path / "run", resume=True)
    model = train(tame, tmp_path / "run", resume=True, changed=True)
    fresh = train(tame, tmp_path / "fresh")
    assert model.read_bytes() == fresh.read_bytes()
    assert logged(tmp_path / "run") == logged(tmp_path / "fresh")
    assert "changes" not in json.loads((tmp_path / "run" / "environment.json").read_text())


def test_causes_name_the_scale_of_a_normalised_head(small: Small, tmp_path: Path) -> None:
    wild = small(optimizer={"learning_rate": 1e30}, head={"name": "arcface", "scale": 64.0})
    with pytest.raises(Diverged, match=r"schedule\.warmup \(0\) too short, head\.scale \(64\) too high"):
        train(wild, tmp_path / "run")


def test_a_change_on_purpose_is_used_and_recorded(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        poisoned(patched, 7, class_weights, NAN)
        with pytest.raises(Diverged):
            train(small(), out)
    lower = small(optimizer={"learning_rate": 0.01, "momentum": 0.5})
    with pytest.raises(RecipeError, match=r"differs .* in optimizer; .*--changed to go on with these"):
        train(lower, out, resume=True)
    train(lower, out, resume=True, changed=True)
    rates = {line["step"]: line["learning_rate"] for line in logged(out)}
    assert [rates[4], rates[6]] == pytest.approx([0.05, 0.001]), "ten times less after epoch 1"
    environment = json.loads((out / "environment.json").read_text())
    assert environment["changes"] == [
        {
            "step": 5,
            "optimizer.learning_rate": [0.05, 0.01],
            "optimizer.momentum": [0.9, 0.5],
            "optimizer.nesterov": [True, False],
        }
    ]
    assert "learning_rate: 0.01" in (out / "recipe.yaml").read_text()
    longer = lower.model_copy(update={"epochs": 4})
    train(longer, out, resume=True)
    environment = json.loads((out / "environment.json").read_text())
    assert environment["changes"][1:] == [{"step": 15, "epochs": [3, 4]}]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"batch_size": 6}, "batch_size"),
        ({"network": {"name": "light-resnet", "embedding_size": 8, "channels": 8}}, "network"),
        ({"head": {"name": "arcface"}}, r"head\.name"),
        ({"exclude": ["0000002"]}, "exclude"),
    ],
)
def test_what_cannot_change_in_a_run_that_has_begun(
    small: Small, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    train(small(epochs=2), tmp_path / "run")
    with pytest.raises(RecipeError, match=f"--changed: {named} cannot change"):
        train(small(epochs=2, **changes), tmp_path / "run", resume=True, changed=True)


def test_arguments_of_the_head_can_change(small: Small, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(small(epochs=2, head={"name": "arcface", "scale": 32.0}), out)
    train(small(epochs=3, head={"name": "arcface", "scale": 8.0}), out, resume=True, changed=True)
    changes = json.loads((out / "environment.json").read_text())["changes"]
    assert changes == [{"step": 10, "head.scale": [32.0, 8.0], "epochs": [2, 3]}]
