"""A training run: the recipe, its data, and what it leaves in its folder (`nsface.run_folder`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nsface.device import pick_device, pick_precision
from nsface.errors import NsfaceError, RecipeError, shown
from nsface.images.batches.loader import BatchLoader
from nsface.model import Description, save_model
from nsface.networks.mean_image import MeanImage
from nsface.ranks import ALONE, Ranks
from nsface.recipe.schema import Recipe
from nsface.run_folder import RunFolder
from nsface.seeds import derived_seed
from nsface.training.build import build_auxiliary, build_head
from nsface.training.checkpoint import restore_newest
from nsface.training.data import make_loader, make_sampler, training_set
from nsface.training.environment import describe_data, describe_environment, describe_parts, utc_now
from nsface.training.guards.memory import (
    advice_on_batch,
    advice_on_pixels,
    advice_on_weights,
    enough_memory,
)
from nsface.training.initial import InitialModel
from nsface.training.kept import Kept
from nsface.training.loop import run_to_end
from nsface.training.resuming import check_data, check_folder, claimed, finished, recorded_environment
from nsface.training.scoring import Scoring
from nsface.training.summary import record_peak_memory, run_summary
from nsface.training.tensorboard import check_installed
from nsface.training.testing import ClassificationTests
from nsface.training.trainer import Trainer
from nsface.training.validation import Validator
from nsface.weightless import weightless


def train(
    recipe: Recipe,
    out: str | os.PathLike[str],
    *,
    resume: bool = False,
    changed: bool = False,
    ranks: Ranks = ALONE,
    note: Callable[[str], object] | None = None,
    command: str | None = None,
    kept: Kept | None = None,
) -> Path:
    """Train as `recipe` says, in the folder `out`; returns the path of the model.

    With `resume`, an interrupted run continues, and ends with the same bits as without the interruption. A
    complete run stays as it is, or continues where the recipe is longer; a run that never began begins. With
    `changed` it may continue with another optimiser, schedule, length or arguments of the head.

    `command` is recorded in environment.json. All `ranks` call this with the same arguments and
    see the same folder. Only the first rank writes, and calls `note` with a line about what is trained, what
    is not read, and the progress. `kept` takes the images from one training to the next.

    Raises:
        RecipeError: a value is wrong, or, with `resume`, the recipe is not that of the folder.
        DataError: the images cannot be used.
        NsfaceError: the folder holds a run already or cannot be written, the training diverged, or memory
            does not suffice.
        Interrupted: a SIGINT or SIGTERM came; the state after the last step is saved.
    """
    run = RunFolder(out)
    check_folder(recipe, run, resume, changed)
    complete = ranks.any(resume and finished(recipe, run))
    if complete and recipe.data == run.load_recipe().data:
        return run.model_file
    device = ranks.place(pick_device(recipe.device))
    check_possible(recipe, ranks)  # before the images are read, which may take long
    if recipe.tensorboard:
        check_installed()
    note = note if ranks.first else None
    begun = ranks.any(resume and bool(run.saved_checkpoints()))
    initial = None if begun or recipe.init is None else InitialModel(recipe.init, recipe)
    kept = kept or Kept()
    source, chosen, labels, identities = training_set(recipe, note, kept.source)
    if (size := make_sampler(recipe, labels).batch_size) < recipe.batch_size:
        check_batch(recipe, ranks, size)
        if note is not None:
            note(
                f"note: batch_size is {recipe.batch_size:,}, and there are {size:,} images: a step takes all"
            )
    data = describe_data(source, len(chosen), len(identities))
    if begun or complete:
        check_data(run, data["data"])
    if complete:
        return run.model_file
    sets = kept.validation_sets(recipe, source, ranks, note)
    with enough_memory(lambda _: advice_on_pixels(len(chosen), recipe)):
        loader = make_loader(recipe, source, chosen, labels, device, ranks, note, kept.decoded)
    with enough_memory(lambda _: advice_on_weights(recipe, len(identities))):
        trainer = make_trainer(recipe, len(identities), loader, device, ranks)
    description = describe_model(recipe, len(identities))
    validator: Scoring
    if recipe.task == "classification":
        validator = ClassificationTests(trainer, run, kept.test_images(recipe, identities))
    else:
        validator = Validator(trainer, run, sets, description, note)
    if initial is not None:
        data["init"] = initial.copy_into(trainer.network, trainer.head, identities, note)
    with enough_memory(lambda error: advice_on_batch(trainer, run.latest_checkpoint, error)):
        compilation = trainer.compile()
    if compilation.why_not and note is not None:
        note(f"note: the network is not compiled: {compilation.why_not}")
    ranks.wait()  # until all have read the folder, before the first rank changes it
    with claimed(recipe, run, ranks, resume, changed) as recipe_changes:
        if begun != ranks.any(resume and bool(run.saved_checkpoints())):
            raise NsfaceError(f"{shown(out)}: another process has trained in this folder; repeat the command")
        if begun:
            shard = trainer.head.shard
            restore_newest(run, device, partial(restore, trainer, validator), note, ranks=ranks, shard=shard)
        if ranks.any("optimizer.learning_rate" in recipe_changes):
            trainer.returns.begin_anew()
        record_start(trainer, run, data, command, recipe_changes if begun else {}, note)
        with enough_memory(lambda error: advice_on_batch(trainer, run.latest_checkpoint, error)), loader:
            kept.stopped = run_to_end(trainer, run, identities, validator, note, kept.label)
        if ranks.first:
            record_peak_memory(run, device)
            # last: where it is whole, nothing is left to be done by a run that was killed and is resumed
            save_model(run.model_file, trainer.model(), description)
            if note is not None:
                for line in [*run_summary(run), *validator.summary()]:
                    note(line)
        ranks.wait()  # until the model is written
    return run.model_file


def restore(trainer: Trainer, validator: Scoring, state: dict[str, Any]) -> None:
    """Let a training and its validations continue from the state in a checkpoint.

    Raises:
        ModelError: it is not the state of such a training.
        RecipeError: the run has fewer steps than the state has done.
    """
    validator.restore(state)
    trainer.restore(state)


def check_possible(recipe: Recipe, ranks: Ranks) -> None:
    """Refuse heads and batches that cannot be divided, and what is for a single process."""
    with weightless():
        build_head(recipe, ranks.count + 1, ranks)
    if recipe.task == "classification" and ranks.count > 1:
        raise RecipeError(
            f"task: a classification trains in one process, not in {ranks.count} ranks; leave torchrun out"
        )
    check_batch(recipe, ranks, recipe.batch_size)


def make_trainer(
    recipe: Recipe, identities: int, loader: BatchLoader, device: torch.device, ranks: Ranks
) -> Trainer:
    """The trainer before its first step, with weights drawn from the recipe's seed."""
    dtype = pick_precision(recipe.precision, device)
    torch.manual_seed(derived_seed(recipe.seed, "weights"))
    network, head = recipe.network.build(recipe.input), build_head(recipe, identities, ranks)
    auxiliary = build_auxiliary(recipe, identities)
    set_mean_image(recipe, network, loader)
    return Trainer(recipe, network, head, auxiliary, loader, device, dtype, ranks)


def set_mean_image(recipe: Recipe, network: nn.Module, loader: BatchLoader) -> None:
    """Give a network that subtracts the mean image that of the training images.

    Raises:
        RecipeError: they are decoded while the training runs.
    """
    for module in network.modules():
        if isinstance(module, MeanImage):
            mean = loader.mean_image()
            if mean is None:
                raise RecipeError("network.mean_image: needs all images in memory; leave streaming out")
            module.image.copy_(recipe.input.normalise(mean[None])[0])


def record_start(
    trainer: Trainer,
    run: RunFolder,
    data: dict[str, Any],
    command: str | None,
    recipe_changes: dict[str, Any],
    note: Callable[[str], object] | None = None,
) -> None:
    """Write environment.json and the recipe of a run that begins or continues, and note what is trained.

    Args:
        trainer: the trainer, at the step from which it continues.
        run: the folder.
        data: the fingerprint of the training set, its numbers of images and identities, and what the run
            was initialised from.
        command: the command that began or continued the run.
        recipe_changes: the values that were changed on purpose in the recipe of a run that had begun.
        note: a function that takes the line about what is trained.
    """
    before = recorded_environment(run) if trainer.step else {}
    environment: dict[str, Any] = {"command": command} if command else {}
    environment |= {"started": before.get("started", utc_now()), "step": trainer.step}
    environment["seconds"] = before.get("seconds", 0.0)
    environment |= describe_environment(trainer.device, trainer.dtype) | data | describe_parts(trainer)
    if "init" in before:  # the model is read when the run begins, and not when it continues
        environment["init"] = before["init"]
    changes = before.get("changes", [])
    if recipe_changes:
        changes = [*changes, {"step": trainer.step, **recipe_changes}]
    if changes:
        environment["changes"] = changes
    if trainer.returns.made:
        environment["returns"] = trainer.returns.made
    trainer.ranks.wait()  # until all have read what the first rank now overwrites
    if trainer.ranks.first:
        run.write_environment(environment)
        run.write_recipe(trainer.recipe)
    if note is not None:
        note(summary(trainer.recipe, environment))
        if trainer.step:
            note(f"going on after step {trainer.step:,} of {trainer.total_steps:,}")


def describe_model(recipe: Recipe, identities: int) -> Description:
    """The header of the file of a model that was trained by `recipe`."""
    return Description(
        network=recipe.network.name,
        network_arguments=recipe.network.arguments,
        embedding_size=recipe.network.embedding_size,
        input=recipe.input,
        head=recipe.head.name,
        head_arguments=recipe.head.arguments,
        identities=identities,
        recipe_digest=recipe.digest(),
    )


def check_batch(recipe: Recipe, ranks: Ranks, size: int) -> None:
    """Refuse batches of `size` images that cannot be divided, and parts of one where the network normalises.

    Args:
        size: `recipe.batch_size`, or the number of training images where this is smaller.

    Raises:
        RecipeError: the batch cannot be divided evenly, or is too small.
    """
    images, most = f"{size} images a step", ""
    if size < recipe.batch_size:
        images, most = f"{size} images a step, all that there are,", f" up to {size}"
    parts = ranks.count * recipe.accumulate
    if recipe.accumulate > 1 and size % parts:
        into = f"into {parts} parts (accumulate)"
        if ranks.count > 1:
            into = f"among {ranks.count} ranks that compute {recipe.accumulate} parts each (accumulate)"
        raise RecipeError(
            f"batch_size: {images} cannot be divided evenly {into}; give a multiple of {parts}{most}"
        )
    if size >= 2 * recipe.accumulate:
        return
    if any(isinstance(m, nn.BatchNorm1d) for m in recipe.network.plan(recipe.input).modules()):
        less = f", and accumulate at most {size // 2}" if most else ""
        raise RecipeError(
            f"batch_size: {recipe.network.name} normalises over the images of a batch; "
            f"give at least {2 * recipe.accumulate}{less}"
        )


def summary(recipe: Recipe, environment: Mapping[str, Any]) -> str:
    """One line about what is trained, on which data and on which device."""
    found = "{images:,} images of {identities:,} identities; {parameters:,} parameters".format(**environment)
    where = "{device}, {precision}; {classifier} classifier".format(**environment)
    return f"{recipe.network.name} with {recipe.head.name}: {found}; {where}"
