"""The peer computes what nsface does: the same loss and gradient from the same weights and images."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nsface.benchmark import arcface_style
from nsface.benchmark.arcface_style import PartialClasses, cosface_margin, partial_classes, with_own_prelu
from nsface.benchmark.generated import generated_labels, generated_pixels
from nsface.benchmark.side_by_side import Agreement, Steps, agreement, by_turns
from nsface.benchmark.speed import endless
from nsface.errors import RecipeError
from nsface.networks import build
from nsface.recipe.schema import Recipe
from nsface.training.trainer import Diverged

CPU = torch.device("cpu")


def recipe(head: str) -> Recipe:
    content = {
        "network": {"name": "light-resnet", "embedding_size": 8, "channels": 16},
        "head": {"name": head},
        "input": {"height": 16, "width": 16},
        "epochs": 1,
        "batch_size": 6,
        "device": "cpu",
    }
    return endless(Recipe.model_validate(content))


def found(head: str) -> Agreement:
    labels = generated_labels(6, 4, seed=0)
    return agreement(recipe(head), 20, generated_pixels(labels, 16, 16, CPU, seed=0), labels)


@pytest.mark.parametrize("head", ["arcface", "cosface"])
def test_the_peer_computes_the_same(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = found(head)
    assert right.loss < 1e-6
    assert right.gradient < 1e-4
    monkeypatch.setitem(arcface_style.MARGINS, head, lambda margin: lambda cosine: cosine - 1.01 * margin)
    assert found(head).loss > 1e-4


def test_the_peer_has_no_activation_of_nsface() -> None:
    network, own = (build("iresnet-18", height=16, width=16, embedding_size=8) for _ in range(2))
    kinds = {type(module) for module in with_own_prelu(network).modules() if isinstance(module, nn.PReLU)}
    assert kinds == {nn.PReLU}
    assert network.state_dict().keys() == own.state_dict().keys()


def test_the_loss_of_a_sample() -> None:
    torch.manual_seed(0)
    classes = PartialClasses(4, 10, cosface_margin(0.2), 8.0, 0.5, torch.float32).double()
    features, labels = torch.randn(3, 4, dtype=torch.float64), torch.tensor([7, 2, 7])
    state = torch.get_rng_state()
    chosen = classes.sample(labels)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert len(chosen) == 5
    assert {2, 7} <= set(chosen.tolist())
    torch.set_rng_state(state)  # the same sample again
    loss = classes(features, labels)
    cosines = F.normalize(features) @ F.normalize(classes.weight).T
    cosines[torch.arange(3), labels] -= 0.2
    kept = torch.full((10,), -math.inf, dtype=torch.float64)
    kept[chosen] = 0.0
    expected = F.cross_entropy(8 * cosines + kept, labels)
    # cosines are rounded to float32, as they are in training
    torch.testing.assert_close(loss, expected.float(), rtol=1e-5, atol=0)
    (gradient,) = torch.autograd.grad(loss, classes.weight)
    (exact,) = torch.autograd.grad(expected, classes.weight)
    torch.testing.assert_close(gradient, exact, rtol=1e-4, atol=1e-6)
    assert not gradient[kept == -math.inf].any()


def test_a_head_that_the_peer_has_not() -> None:
    with pytest.raises(RecipeError, match="arcface and cosface, not softmax"):
        partial_classes(recipe("softmax"), 5, torch.float32)


def test_a_way_that_fails_leaves_the_others() -> None:
    done: list[str] = []

    def sound(stack: ExitStack) -> Steps:
        return lambda count: done.append("step" * count)

    def broken(stack: ExitStack) -> Steps:
        raise RuntimeError("no kernel\nfor this")

    def broken_later(stack: ExitStack) -> Steps:
        taken = iter(range(3))

        def steps(count: int) -> None:
            if next(taken, None) is None:
                raise Diverged("the loss is nan")

        return steps

    ways: dict[str, Callable[[ExitStack], Steps]] = {
        "broken": broken,
        "sound": sound,
        "broken later": broken_later,
    }
    rates, errors = by_turns(CPU, ways, ExitStack(), 8, 0.0, 3)
    assert errors == {"broken": "RuntimeError: no kernel", "broken later": "the loss is nan"}
    assert list(rates) == ["sound"]
    assert len(rates["sound"].blocks) == 3
    assert done == ["step"] * 5  # one for a start, one to see how long it takes, and the blocks
