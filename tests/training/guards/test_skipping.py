"""A step that is not finite leaves no trace but its count; healthy runs keep their bits."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from nsface.heads import HeadOutput
from nsface.training import freezing
from nsface.training.guards.skipping import Skipping
from nsface.training.step import Taken
from nsface.training.trainer import Diverged, Line, Trainer

Make = Callable[..., Trainer]
INF = float("inf")
ADAFACE = {"name": "adaface", "scale": 8.0}
PARTS: list[dict[str, Any]] = [
    {},
    {"optimizer": {"learning_rate": 0.05, "nesterov": True, "clip_norm": 0.1}},
    {"optimizer": {"learning_rate": 0.05, "momentum": 0.0}},
    {"head": ADAFACE, "auxiliary": [{"name": "center"}]},
    {"head": {"name": "curricularface", "scale": 8.0}},
    {"network": {"name": "sphereface-4", "embedding_size": 8}},
]


def poison(monkeypatch: pytest.MonkeyPatch, steps: Sequence[int], value: float = math.nan) -> None:
    """From now on the images of these steps, counted from 0, have `value` in one pixel."""
    original = Trainer._train_step

    def poisoned(self: Trainer, images: Tensor, labels: Tensor) -> Any:
        if self.step in steps:
            images = images.clone()
            images[0, 0, 0, 0] = value
        return original(self, images, labels)

    monkeypatch.setattr(Trainer, "_train_step", poisoned)


def bits(trainer: Trainer) -> dict[str, Tensor]:
    """All that is trained, and all that the forward pass changes."""
    state = trainer.state()
    found = {
        f"{part} {name}": t for part in ("network", "head", "auxiliary") for name, t in state[part].items()
    }
    momentum = state["optimizer"]["state"]
    found |= {f"momentum {n}": kept["momentum_buffer"] for n, kept in momentum.items()}
    return copy.deepcopy(found)


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def lines(trainer: Trainer) -> list[Line]:
    found = [line for line in trainer.run() if line is not None]
    return [{key: x for key, x in line.items() if key != "images_per_second"} for line in found]


@pytest.mark.parametrize("changes", PARTS)
def test_a_healthy_run_has_the_bits_of_one_without_the_guard(
    make: Make, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    guarded, bare = make(**changes), make(**changes)
    list(guarded.run())
    with monkeypatch.context() as patched:
        for name in ("begin_step", "end_step"):
            patched.setattr(Skipping, name, lambda *_: None)
        patched.setattr(freezing, "begin_momentum", lambda _: None)
        list(bare.run())
    assert_same(bits(guarded), bits(bare))


@pytest.mark.parametrize("value", [math.nan, INF])
@pytest.mark.parametrize("changes", PARTS)
def test_a_skipped_step_changes_nothing_even_if_it_is_the_first(
    make: Make, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], value: float
) -> None:
    poison(monkeypatch, [0, 3], value)
    trainer = make(**changes, log_every=100)
    steps = trainer.run()
    fresh = bits(trainer)
    next(steps)
    after_first = bits(trainer)
    assert all(not t.any() for name, t in after_first.items() if name.startswith("momentum"))
    assert_same(fresh, {name: t for name, t in after_first.items() if not name.startswith("momentum")})
    next(steps)
    next(steps)
    before = bits(trainer)
    assert not torch.equal(before["head weight"], fresh["head weight"])
    next(steps)
    assert_same(before, bits(trainer))
    assert trainer.in_doubt()
    next(steps)
    assert not trainer.in_doubt()


def test_a_loss_that_is_infinite_while_its_gradient_is_not(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make()
    original = trainer.head.forward

    def forward(*batch: Tensor) -> Any:
        output = original(*batch)
        object.__setattr__(output, "loss", output.loss + INF)
        return output

    monkeypatch.setattr(trainer.head, "forward", forward)
    before = bits(trainer)
    next(trainer.run())
    assert_same(before, {n: t for n, t in bits(trainer).items() if not n.startswith("momentum")})


def test_lines_of_the_log_leave_skipped_steps_out_and_count_them(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, [1, 4, 5])
    trainer = make(log_every=2, auxiliary=[{"name": "center"}])
    first, third, *rest = lines(trainer)
    assert [(line["step"], line["skipped"]) for line in (first, third, *rest)] == [
        (2, 1), (4, 0), (8, 2), (10, 0), (12, 0),
    ]  # fmt: skip
    assert all(math.isfinite(x) for line in (first, third, *rest) for x in line.values())
    alone = lines(make(log_every=1, auxiliary=[{"name": "center"}]))[0]
    same = ("loss", "center", "accuracy", "probability", "gradient", "gradient_norm")
    assert [first[key] for key in same] == [alone[key] for key in same], "those of the first step alone"


@pytest.mark.parametrize("log_every", [1, 3, 100])
def test_too_many_in_a_row_end_the_run(make: Make, monkeypatch: pytest.MonkeyPatch, log_every: int) -> None:
    poison(monkeypatch, [2, 3, 5, 6, 7])
    assert lines(make(log_every=log_every, guard={"skip": 4}))[-1]["step"] == 12
    trainer = make(log_every=log_every, guard={"skip": 3})
    with pytest.raises(
        Diverged, match=r"not finite before step (9|12), in 3 st|the loss is nan at step 8, in 3"
    ):
        lines(trainer)


def test_a_run_whose_every_step_is_skipped_ends(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, range(12))
    with pytest.raises(Diverged, match="the loss is nan at step 12, in 12 steps in a row"):
        lines(make(guard={"skip": 100}, log_every=100))


@pytest.mark.parametrize("stop", [2, 5, 7])
def test_a_restored_run_goes_on_to_the_same_bits_and_lines(
    make: Make, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    poison(monkeypatch, [1, 3, 4, 6])
    changes: dict[str, Any] = {"head": ADAFACE, "log_every": 8}
    whole = make(**changes)
    expected = lines(whole)
    begun, again = make(**changes), make(**changes)
    steps = begun.run()
    for _ in range(stop):
        next(steps)
    again.restore(copy.deepcopy(begun.state()))
    assert lines(again) == expected
    assert_same(bits(again), bits(whole))


def test_a_state_without_counts_can_be_restored(make: Make) -> None:
    begun, again = make(), make()
    next(begun.run())
    state = begun.state()
    del state["guard"]
    again.restore(copy.deepcopy(state))
    assert again.step == 1
    assert not again.in_doubt()


def test_losses_that_are_finite_while_their_sum_is_not() -> None:
    one = torch.tensor([1.0])
    output = HeadOutput(loss=one, correct=one > 0, probability=one, gradient=one)
    taken = Taken(output, {"center": torch.tensor(3e38)}, torch.tensor(1.0), torch.tensor(False))
    assert taken.not_finite() == "the sum of the losses is not finite"
