"""Whether a run may go on in its folder: with which recipe, on which data, and in one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nsface.errors import DataError, ModelError, NsfaceError, RecipeError, listing, shown
from nsface.model import read_description
from nsface.ranks import Ranks
from nsface.recipe.keys import LATER_DEFAULTS
from nsface.recipe.length import LENGTHS
from nsface.recipe.schema import Recipe
from nsface.recipe.text import dotted
from nsface.run_folder import RunFolder

# keys that may change in a run that has begun: its saved state and its place in the data still fit
CHANGEABLE = {
    "accumulate",
    "augmentation",
    "classifier_precision",
    "compile",
    "device",
    "guard",
    "head",
    "optimizer",
    "precision",
    "schedule",
    *LENGTHS,
}
# arguments of heads that depend on the share of the run that is done, unless they have these values
CONSTANT_ARGUMENTS = {"alpha_schedule": "constant", "warmup": 0}


def check_folder(recipe: Recipe, run: RunFolder, resume: bool, changed: bool = False) -> None:
    """Refuse a run folder that could not be written, or that holds another run than the one to resume.

    With `changed`, a run that has begun may have another optimiser, schedule, length or arguments of its
    head than it had, and one that has saved nothing yet may be any other.

    Raises:
        NsfaceError: the folder cannot be used for this run.
        RecipeError: the recipe of the run in the folder is another.
    """
    if not run.is_run():
        run.check_new()
    elif not resume:
        raise NsfaceError(
            f"{shown(run.path)} holds a run already; give --resume to continue it, or another --out"
        )
    else:
        _check_recipe(run.load_recipe(), recipe, run, changed)


def _check_recipe(before: Recipe, recipe: Recipe, run: RunFolder, changed: bool) -> None:
    differing = differences(before, recipe)
    begun = bool(run.saved_checkpoints()) or run.has_model()
    if not differing or (changed and not begun):
        return
    fixed = [key for key in differing if key not in CHANGEABLE]
    if "head" in differing and before.head.name != recipe.head.name:
        fixed.append("head.name")
    if changed and not fixed:
        return
    if changed:
        raise RecipeError(
            f"--changed: {listing(fixed)} cannot change in a run that has begun (see "
            f"{shown(run.recipe_file)}); choose another --out"
        )
    why = ""
    if set(LENGTHS) & set(differing) and set(differing) <= {*LENGTHS, "schedule"}:
        reason_against = no_other_length(before, recipe)
        if reason_against is None and "schedule" not in differing:
            return
        why = f": {reason_against or 'with another schedule the steps done would have had other rates'}"
    remedy = "repeat the options of that run, "
    if begun and not fixed:
        remedy += "give --changed to go on with these on purpose, "
    raise RecipeError(
        f"--resume: {shown(run.recipe_file)} differs from the recipe given in {listing(differing)}{why}; "
        f"{remedy}or choose another --out"
    )


def no_other_length(before: Recipe, recipe: Recipe) -> str | None:
    """Why a run by the recipe `before` cannot become as long as `recipe` says, which differs in length alone.

    None where it can: the steps that both runs have are the same.
    """
    if (before.epochs is None) != (recipe.epochs is None):
        return "one counts epochs, the other iterations"
    if before.schedule.kind != "step":
        return (
            f"a {before.schedule.kind} schedule falls to 0 at the end of the run, so in a run of another "
            "length the steps done would have had other rates"
        )
    for key, constant in CONSTANT_ARGUMENTS.items():
        if before.head.arguments.get(key, constant) != constant:
            return f"head.{key} follows the share of the run that is done"
    return None


def differences(one: Recipe, other: Recipe) -> list[str]:
    """Keys whose values decide the weights and differ."""
    left, right = one.decisive(), other.decisive()
    return [key for key in left | right if left.get(key) != right.get(key)]


def changes(before: Recipe, recipe: Recipe) -> dict[str, Any]:
    """By dotted key, what differs: the value before and after."""
    # which leave out keys that came later, where they have their default
    left, right = (LATER_DEFAULTS | dotted(one.decisive()) for one in (before, recipe))
    return {key: [left.get(key), right.get(key)] for key in left | right if left.get(key) != right.get(key)}


def finished(recipe: Recipe, run: RunFolder) -> bool:
    """Whether the folder holds the model that `recipe` leads to."""
    try:
        return read_description(run.model_file).recipe_digest == recipe.digest()
    except ModelError:
        return False


def recorded_environment(run: RunFolder) -> dict[str, Any]:
    """What environment.json records of the run, with the fingerprint of its `data`.

    Raises:
        RecipeError: it says nothing of the data.
    """
    try:
        environment = run.read_environment()
        if "data" not in environment:
            raise DataError("no fingerprint of the data")
    except DataError as error:
        raise RecipeError(
            f"--resume: {shown(run.environment_file)} does not say which data the run began with; choose "
            "another --out"
        ) from error
    return environment


def check_data(run: RunFolder, fingerprint: str) -> None:
    """Refuse to resume a run on other data than those it began with, which its environment.json records.

    Raises:
        RecipeError: other data, or no record of them.
    """
    if recorded_environment(run)["data"] != fingerprint:
        raise RecipeError(
            f"--resume: the training images are not those the run began with (names, labels, sizes or bytes "
            f"differ from the fingerprint in {shown(run.environment_file)}); put them back, or choose "
            "another --out"
        )


@contextmanager
def claimed(
    recipe: Recipe, run: RunFolder, ranks: Ranks, resume: bool, changed: bool
) -> Iterator[dict[str, Any]]:
    """Make the run folder, with its recipe, and while entered hold it against other processes.

    Of several `ranks`, the first does so for all; nothing is changed by the others.

    Yields:
        What `recipe` changes in the one that is there; it stays until the change has been recorded.

    Raises:
        NsfaceError: it cannot be made, another process is training in it, or has begun a run in it.
    """
    if not ranks.first:
        yield {}
        return
    with run.locked():
        check_folder(recipe, run, resume, changed)  # again: it takes long to read the images
        if run.is_run():
            yield changes(run.load_recipe(), recipe)
        else:
            run.write_recipe(recipe)
            yield {}
