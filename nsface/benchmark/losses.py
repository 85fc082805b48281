"""The losses of the first steps of a training, to compare ways to compute them."""

from __future__ import annotations

import math

from nsface.benchmark.generated import default_images, generated_loader
from nsface.benchmark.speed import endless
from nsface.device import pick_device
from nsface.images.batches.loader import Loader
from nsface.ranks import ALONE
from nsface.recipe.schema import Recipe
from nsface.training.run import make_trainer

RATE = 0.02  # constant, at which every network here learns from its first step


def losses_of(recipe: Recipe, identities: int, steps: int, images: int | None = None) -> list[float]:
    """The mean loss of each of the first `steps`, on generated images, from the weights of the recipe's seed.

    It is NaN where a step was skipped, whose loss or gradient was not finite.

    Args:
        images: as `Setting.images`.

    Raises:
        Diverged: too many steps in a row were skipped.
    """
    chosen = endless(recipe, RATE).model_copy(update={"log_every": 1})
    device = pick_device(chosen.device)
    loader = generated_loader(Loader, chosen, identities, images or default_images(chosen, device), device)
    run = make_trainer(chosen, identities, loader, device, ALONE).run()
    lines = [next(run) for _ in range(steps)]
    return [math.nan if line is None else line["loss"] for line in lines]
