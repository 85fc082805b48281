"""Trainers of a tiny network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nsface.training.trainer import Trainer
from tests.training.small_trainer import small_trainer


@pytest.fixture
def make() -> Callable[..., Trainer]:
    """`make(**changes)` is the trainer of such a recipe: `images` of each of four people, with noise.

    With `shuffled` the labels have nothing to do with the images.
    """
    return small_trainer
