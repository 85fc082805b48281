"""What must hold between several keys of a recipe. Each message begins with the key to look at first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nsface.auxiliary import AUXILIARY
from nsface.recipe.length import LENGTHS
from nsface.recipe.validation import identities_held_out

if TYPE_CHECKING:
    from nsface.recipe.schema import Recipe


def check_together(recipe: Recipe) -> None:
    """Refuse a recipe whose keys, each of them possible, do not go together.

    Raises:
        ValueError: with the remedy.
    """
    identities_held_out(recipe.validate)
    _check_length(recipe)
    _check_sources(recipe)
    _check_frozen(recipe)
    _check_auxiliary(recipe)
    _check_batch(recipe)


def _check_length(recipe: Recipe) -> None:
    """One length of the run, the times of the schedule within it, and what an optimiser needs."""
    if (recipe.epochs is None) == (recipe.iterations is None):
        raise ValueError("give either epochs or iterations")
    end = recipe.epochs or recipe.iterations or 0
    milestones = recipe.schedule.milestones
    if milestones != sorted(set(milestones)) or any(not 0 < m < end for m in milestones):
        raise ValueError(f"schedule.milestones must rise and lie between 0 and {end}, not {milestones}")
    if (recipe.schedule.kind == "step") != bool(milestones):
        raise ValueError("schedule.milestones belong to the step schedule, and it needs them")
    if recipe.schedule.warmup >= end:
        raise ValueError(f"schedule.warmup must be shorter than the run ({end})")
    if recipe.optimizer.nesterov and recipe.optimizer.momentum == 0:
        raise ValueError("optimizer.nesterov needs optimizer.momentum above 0")


def _check_sources(recipe: Recipe) -> None:
    """Where images come from, and what a classification has of them."""
    if recipe.cache is not None and recipe.streaming is not None:
        raise ValueError("give either cache or streaming: what is streamed is not kept")
    if recipe.task == "classification":
        for key, what in (("validate", "pairs of faces"), ("exclude", "identities")):
            if getattr(recipe, key):
                raise ValueError(f"{key}: a classification has no {what}; leave it out")


def _check_frozen(recipe: Recipe) -> None:
    if recipe.freeze is None:
        return
    if recipe.init is None:
        raise ValueError("freeze: without init the parts would keep random weights; give init too")
    network = recipe.network.plan(recipe.input)
    recipe.freeze.check(recipe.network.name, network, {unit: getattr(recipe, unit) for unit in LENGTHS})


def _check_auxiliary(recipe: Recipe) -> None:
    names = [choice.name for choice in recipe.auxiliary]
    if len(set(names)) < len(names):
        raise ValueError(f"auxiliary: each loss may stand once, not {', '.join(names)}")
    if recipe.sampler is None or recipe.sampler.images < 2:
        needing = [name for name in names if AUXILIARY[name].needs_pairs]
        if needing:
            raise ValueError(
                f"auxiliary: {needing[0]} needs several images of an identity in a batch: give "
                "sampler: {identities: P, images: K} with K of at least 2"
            )


def _check_batch(recipe: Recipe) -> None:
    """The size of a batch, which a sampler has decided by now, and its division into parts."""
    if recipe.batch_size % recipe.accumulate:
        raise ValueError(
            f"batch_size: {recipe.batch_size} images a step cannot be divided evenly into accumulate "
            f"({recipe.accumulate}) parts; give a multiple of {recipe.accumulate}"
        )
