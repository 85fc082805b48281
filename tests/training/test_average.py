"""The moving average of the weights: its values, its state, its model."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor

from nsface.errors import ModelError
from nsface.recipe.schema import Recipe
from tests.training.small_trainer import SETTINGS, small_trainer


def test_averages_are_those_of_the_definition() -> None:
    trainer = small_trainer(ema=0.7)
    expected: dict[str, Tensor] = {n: t.double() for n, t in trainer.network.state_dict().items()}
    for step, _ in enumerate(trainer.run()):
        decay = min(0.7, (1 + step) / (10 + step))
        for name, tensor in trainer.network.state_dict().items():
            average = decay * expected[name] + (1 - decay) * tensor.double()
            expected[name] = average if tensor.is_floating_point() else tensor.double()
    found = {name: tensor.double() for name, tensor in trainer.model().state_dict().items()}
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found["fc.weight"], trainer.network.state_dict()["fc.weight"].double())


def test_a_resumed_average_has_the_same_bits_and_the_training_is_untouched() -> None:
    plain, whole, first, second = (
        small_trainer() if e is None else small_trainer(ema=e) for e in (None, *[0.9] * 3)
    )
    for trainer in (plain, whole):
        list(trainer.run())
    steps = first.run()
    for _ in range(5):
        next(steps)
    second.restore(deepcopy(first.state()))
    list(second.run())
    for name, tensor in whole.model().state_dict().items():
        assert torch.equal(second.model().state_dict()[name], tensor)
    for name, tensor in plain.network.state_dict().items():
        assert torch.equal(whole.network.state_dict()[name], tensor)
    assert plain.model() is plain.network


def test_it_begins_with_the_weights_that_the_run_begins_with() -> None:
    trainer = small_trainer(ema=0.999)
    with torch.no_grad():
        trainer.network.get_parameter("fc.weight").fill_(100)  # as `init` does after the trainer is made
    next(trainer.run())
    assert trainer.model().state_dict()["fc.weight"].mean() > 99


def test_a_state_without_average_or_with_another_is_refused() -> None:
    averaged, plain = small_trainer(ema=0.9), small_trainer()
    plain.restore(averaged.state())  # the key is left aside
    wrong = averaged.state()
    wrong["ema"] = wrong["ema"] | {"fc.weight": torch.zeros(8, 3)}
    for state in (small_trainer().state(), wrong):
        with pytest.raises(ModelError, match="not a checkpoint of this training"):
            averaged.restore(state)


@pytest.mark.parametrize("decay", [0, 1, -0.1, 1.5])
def test_decays_out_of_range_are_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="ema"):
        Recipe.model_validate(SETTINGS | {"ema": decay})
