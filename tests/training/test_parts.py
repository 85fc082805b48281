"""A batch computed in parts has the gradient of the whole batch."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nsface.auxiliary import AUXILIARY
from nsface.errors import RecipeError
from nsface.heads import HEADS
from nsface.ranks import ALONE, Ranks
from nsface.ranks.batch_norm import share_batch_norm
from nsface.ranks.replica import Replica
from nsface.recipe.finetuning import Freeze
from nsface.recipe.schema import Recipe
from nsface.training.checkpoint import load_checkpoint, tensors
from nsface.training.data import make_loader
from nsface.training.freezing import Freezing
from nsface.training.parts import backward_in_parts
from nsface.training.run import check_possible, train
from nsface.training.step import Step
from tests.training.forked_ranks import run_on, settings, stop_after, write_faces
from tests.training.small_trainer import SETTINGS, small_trainer

PLAIN = {"name": "sphereface-4", "embedding_size": 8}
DROPPING = {"name": "light-resnet", "embedding_size": 8, "channels": 8, "dropout": 0.5}
NOISY = {"name": "sphereface-4", "embedding_size": 8, "activation": "nan-tanh"}


def step_of(**changes: Any) -> Step:
    """A step in float64, after 3 of 12 steps."""
    step = small_trainer(**changes).take_step
    for module in (step.network, step.head, step.auxiliary):
        module.double()
    nn.init.normal_(step.head.weight)
    step.head.advance(3, 12)
    step.head.reseed(5)
    return step


def batch() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.rand(12, 3, 16, 16, generator=draw, dtype=torch.float64) * 255, torch.arange(12) % 4


def gradients(step: Step) -> list[Tensor]:
    return [p.grad.clone() for p in step.parameters() if p.grad is not None]


@pytest.mark.parametrize("name", HEADS)
def test_every_head_and_loss_sees_the_whole_batch(name: str) -> None:
    auxiliary = [{"name": loss} for loss in AUXILIARY]
    sampler = {"identities": 2, "images": 3}
    found = []
    for parts in (1, 3):
        step = step_of(
            head={"name": name}, auxiliary=auxiliary, sampler=sampler, network=PLAIN, accumulate=parts
        )
        torch.manual_seed(1)
        losses = step.backward(*batch())
        buffers = [b for module in (step.head, step.auxiliary) for b in module.buffers()]
        found.append([losses.total.detach(), losses.output.loss.detach(), *gradients(step), *buffers])
    torch.testing.assert_close(found[1], found[0])


@pytest.mark.parametrize("network", [DROPPING, NOISY])
def test_draws_and_statistics_are_those_of_one_pass_over_each_part(network: dict[str, Any]) -> None:
    images, labels = batch()
    step = step_of(network=network, accumulate=3)
    one, each = deepcopy(step), [deepcopy(step) for _ in range(3)]
    torch.manual_seed(7)
    one.losses(torch.cat([one.features(part) for part in images.split(4)]), labels).total.backward()
    torch.manual_seed(7)
    for part, alone in zip(images.split(4), each, strict=True):
        alone.features(part)
    after = [alone.network.state_dict() for alone in each]
    torch.manual_seed(7)
    step.backward(images, labels)
    torch.testing.assert_close(gradients(step), gradients(one), rtol=0, atol=1e-12)
    expected = {name: sum(state[name].double() for state in after) / 3 for name in after[0]}
    found = step.network.state_dict()
    torch.testing.assert_close({name: found[name].double() for name in found}, expected)
    assert all(module.track_running_stats for module in step.network.modules() if hasattr(module, "momentum"))


def test_batch_normalisation_is_over_each_part() -> None:
    network = {"name": "light-resnet", "embedding_size": 8, "channels": 8}
    found = []
    for parts in (1, 2):
        step = step_of(network=network, accumulate=parts)
        step.backward(*batch())
        found.append(gradients(step))
    assert not torch.allclose(found[0][0], found[1][0], rtol=1e-3)


@pytest.mark.parametrize("parts", ["all", ["stem", "bn"]])
def test_frozen_parts_have_no_gradient_and_keep_their_statistics(parts: Any) -> None:
    step = step_of(accumulate=3)
    Freezing(step.network, Freeze(parts=parts), 4).begin_step(0, step.optimizer)
    before = deepcopy(step.network.state_dict())
    step.backward(*batch())
    after = step.network.state_dict()
    for name, parameter in step.network.named_parameters():
        assert (parameter.grad is None) == (parts == "all" or name.startswith(("stem", "bn")))
    kept = {name for name in after if torch.equal(after[name], before[name])}
    assert {"stem.1.running_mean", "bn.running_var"} <= kept
    assert ("stages.0.bn1.running_mean" in kept) == (parts == "all")


def test_a_run_in_parts_has_the_weights_of_a_run_at_once() -> None:
    whole, parts = (small_trainer(network=PLAIN, accumulate=k, ema=0.9) for k in (1, 3))
    for trainer in (whole, parts):
        assert len(list(trainer.run())) == 12
    torch.testing.assert_close(parts.network.state_dict(), whole.network.state_dict(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(parts.model().state_dict(), whole.model().state_dict(), rtol=1e-4, atol=1e-5)


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size: 6 images a step cannot be divided evenly into"):
        Recipe.model_validate(SETTINGS | {"accumulate": 4})
    recipe = Recipe.model_validate(SETTINGS | {"accumulate": 3})
    with pytest.raises(
        RecipeError, match=r"among 4 ranks that compute 3 parts each .*; give a multiple of 12"
    ):
        check_possible(recipe, Ranks(0, 4))
    single = Recipe.model_validate(SETTINGS | {"accumulate": 6})
    with pytest.raises(RecipeError, match="normalises over the images of a batch; give at least 12"):
        check_possible(single, Ranks())


def test_fewer_images_than_a_batch_are_not_computed_in_parts() -> None:
    recipe = Recipe.model_validate(SETTINGS | {"batch_size": 256, "accumulate": 4})
    source: Any = None
    with pytest.raises(
        RecipeError, match=r"accumulate: there are only 5 images, fewer than batch_size \(256\)"
    ):
        make_loader(recipe, source, list(range(5)), np.arange(5), torch.device("cpu"), ALONE)


TOGETHER: dict[str, Any] = {
    "head": {"name": "normface", "learn_scale": True},
    "auxiliary": [{"name": "center", "weight": 0.1}, {"name": "triplet"}],
    "optimizer": {"learning_rate": 0.01, "clip_norm": 1.0},
    "sampler": {"identities": 3, "images": 4},
}


def parts_on_ranks(ranks: Ranks, faces: Path, out: Path) -> None:
    chosen = Recipe.model_validate(settings(faces, **TOGETHER, accumulate=3))
    train(chosen, out / "parts", ranks=ranks)
    stop_after(3, ranks, chosen, out / "resumed")
    train(chosen, out / "resumed", ranks=ranks, resume=True)
    check_normalised_parts(ranks)


def check_normalised_parts(ranks: Ranks) -> None:
    """Batch normalisation in parts is over what all ranks compute at once, as one process does in parts."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2)).double()
    draw = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, generator=draw)
    # by part, then by rank: two parts of three images on each rank
    images = torch.randn(2, ranks.count, 3, 3, 4, 4, dtype=torch.float64, generator=draw)
    found = []
    for own, count in ((images, 1), (images[:, ranks.rank], ranks.count)):
        copy = deepcopy(network)
        used = share_batch_norm(copy, torch.device("cpu")) if count > 1 else copy
        replica = Replica(used, count)
        backward_in_parts(
            replica, own.reshape(-1, 3, 4, 4), 2, replica, lambda x: (x.sin() ** 2).sum().backward()
        )
        found.append([*(p.grad for p in used.parameters()), *used.buffers()])
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-9)


def test_ranks_in_parts_have_the_weights_of_one_process_at_once(tmp_path: Path) -> None:
    faces, messages = write_faces(tmp_path / "faces"), tmp_path / "messages"
    assert run_on(2, messages, parts_on_ranks, faces, tmp_path) == [0, 0], messages.read_text()
    train(Recipe.model_validate(settings(faces, **TOGETHER)), tmp_path / "whole")
    states = [
        load_checkpoint(tmp_path / run / "checkpoints" / "latest.pt", torch.device("cpu"))
        for run in ("whole", "parts", "resumed")
    ]
    whole, parts, resumed = map(tensors, states)
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=2e-6)
    assert all(torch.equal(resumed[name], tensor) for name, tensor in parts.items())
