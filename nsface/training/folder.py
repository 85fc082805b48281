"""The run folder: whose it is, what it was begun with, and what of its log is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nsface import files
from nsface.errors import DataError, ModelError, NsfaceError, RecipeError, listing, shown
from nsface.files import reason, write_text
from nsface.model import read_description
from nsface.recipe.length import LENGTHS
from nsface.recipe.schema import INDIFFERENT, Recipe, load_recipe
from nsface.recipe.text import dotted
from nsface.training.checkpoint import LATEST, PREVIOUS, saved
from nsface.untrusted import parse_json

RECIPE, ENVIRONMENT, LOG, MODEL = "recipe.yaml", "environment.json", "log.jsonl", "model.safetensors"
CHECKPOINTS = "checkpoints"
# keys that may change in a run that has begun: they leave what is trained as it is, and the place in the data
CHANGEABLE = {"optimizer", "schedule", *LENGTHS, "head", "augmentation", "device", "precision"}
# arguments of heads that follow the share of the run that is done, but where they have these values
CONSTANT = {"alpha_schedule": "constant", "warmup": 0}


class Environment(BaseModel):
    """What environment.json must have for a run to be resumed; the rest of it is for people.

    Attributes:
        data: fingerprint of the images.
        changes: what was changed in the recipe on purpose, oldest first: the step it was done after, and by
            dotted key the value before and after.
    """

    model_config = ConfigDict(extra="ignore", strict=True)

    data: str
    changes: list[dict[str, Any]] = Field(default=[])


class LogLine(BaseModel):
    """What a line of log.jsonl must have."""

    model_config = ConfigDict(extra="allow", strict=True)

    step: int


def check_folder(recipe: Recipe, out: Path, resume: bool, changed: bool = False) -> None:
    """Refuse a run folder that could not be written, or that holds another run than the one to resume.

    With `changed`, a run that has begun may have another optimiser, schedule, length or arguments of its
    head than it had, and one that has saved nothing yet may be any other.
    """
    written = out / RECIPE
    if not os.path.exists(written):
        try:
            files.check_folder(out)
        except NsfaceError as error:
            raise NsfaceError(f"{error}; choose another --out") from error
        for name in (MODEL, ENVIRONMENT, LOG, f"{CHECKPOINTS}/{LATEST}", f"{CHECKPOINTS}/{PREVIOUS}"):
            if os.path.exists(out / name):
                raise NsfaceError(f"{shown(out)} holds a {name} and is no run folder; choose another --out")
    elif not resume:
        raise NsfaceError(
            f"{shown(out)} holds a run already; give --resume to go on with it, or another --out"
        )
    else:
        _check_recipe(load_recipe(written), recipe, out, changed)


def _check_recipe(before: Recipe, recipe: Recipe, out: Path, changed: bool) -> None:
    differing = differences(before, recipe)
    begun = bool(saved(out / CHECKPOINTS)) or os.path.exists(out / MODEL)
    if not differing or (changed and not begun):
        return
    fixed = [key for key in differing if key not in CHANGEABLE]
    if "head" in differing and before.head.name != recipe.head.name:
        fixed.append("head.name")
    if changed and not fixed:
        return
    if changed:
        raise RecipeError(
            f"--changed: {listing(fixed)} cannot change in a run that has begun (see {shown(out / RECIPE)}); "
            "choose another --out"
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
        f"--resume: {shown(out / RECIPE)} differs from the recipe given in {listing(differing)}{why}; "
        f"{remedy}or choose another --out"
    )


def no_other_length(before: Recipe, recipe: Recipe) -> str | None:
    """Why a run by the recipe `before` cannot become as long as `recipe` says, which differs in that alone.

    None where the steps that both have are the same in both.
    """
    if (before.epochs is None) != (recipe.epochs is None):
        return "one counts epochs, the other iterations"
    if before.schedule.kind != "step":
        return (
            f"a {before.schedule.kind} schedule falls to 0 at the end of the run, so in a run of another "
            "length the steps done would have had other rates"
        )
    for key, constant in CONSTANT.items():
        if before.head.arguments.get(key, constant) != constant:
            return f"head.{key} follows the share of the run that is done"
    return None


def differences(one: Recipe, other: Recipe) -> list[str]:
    """Keys whose values decide the weights and differ."""
    left, right = one.model_dump(), other.model_dump()
    return [key for key in left if key not in INDIFFERENT and left[key] != right[key]]


def changes(before: Recipe, recipe: Recipe) -> dict[str, Any]:
    """By dotted key, what differs: the value before and after."""
    left, right = dotted(before.model_dump()), dotted(recipe.model_dump())
    keys = [key for key in left | right if key.split(".")[0] not in INDIFFERENT]
    return {key: [left.get(key), right.get(key)] for key in keys if left.get(key) != right.get(key)}


def finished(recipe: Recipe, out: Path) -> bool:
    """Whether the folder holds the model that `recipe` leads to."""
    try:
        return read_description(out / MODEL).recipe_digest == recipe.digest()
    except ModelError:
        return False


def begun_with(environment: Path) -> Environment:
    """What is recorded of the run in `environment`.

    Raises:
        RecipeError: it says nothing of its data.
    """
    try:
        return Environment.model_validate(parse_json(environment.read_bytes(), str(environment)))
    except (OSError, DataError, ValidationError) as error:
        raise RecipeError(
            f"--resume: {shown(environment)} does not say which data the run began with; choose another --out"
        ) from error


def check_data(environment: Path, fingerprint: str) -> None:
    """Refuse to resume a run on other data than those it began with, which its `environment` records.

    Raises:
        RecipeError: other data, or no record of them.
    """
    if begun_with(environment).data != fingerprint:
        raise RecipeError(
            f"--resume: the training images are not those the run began with (names, labels, sizes or bytes "
            f"differ from the fingerprint in {shown(environment)}); put them back, or choose another --out"
        )


@contextmanager
def claimed(recipe: Recipe, out: Path, resume: bool, changed: bool = False) -> Iterator[dict[str, Any]]:
    """Make the run folder, with its recipe, and while entered hold it against other processes.

    Yields:
        What `recipe` changes in the one that is there; it stays until the change has been recorded.

    Raises:
        NsfaceError: it cannot be made, another process is training in it, or has begun a run in it.
    """
    try:
        (out / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        folder = os.open(out, os.O_RDONLY)
    except OSError as error:
        raise NsfaceError(
            f"cannot make the run folder {shown(out)}: {reason(error)}; choose another --out"
        ) from error
    try:
        if not files.lock(folder):
            raise NsfaceError(
                f"{shown(out)}: another process is training in this folder; wait for it, or choose another "
                "--out"
            )
        check_folder(recipe, out, resume, changed)  # again: it takes long to read the images
        written = out / RECIPE
        if written.exists():
            yield changes(load_recipe(written), recipe)
        else:
            write_text(written, recipe.to_yaml())
            yield {}
    finally:
        os.close(folder)


def kept_lines(log: Path, step: int) -> list[str]:
    """Lines of `log` up to `step`; what a killed run logged after its checkpoint will be logged again.

    Raises:
        NsfaceError: it cannot be read, or not all of its lines are a step's.
    """
    try:
        lines = log.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise NsfaceError(f"{shown(log)}: cannot be read: {reason(error)}") from error
    kept = []
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            break
        try:
            parsed = LogLine.model_validate(parse_json(line, f"{log}:{number}"))
        except (DataError, ValidationError) as error:
            raise NsfaceError(
                f"{shown(log)}:{number}: damaged, not the line of a step; mend or remove the file"
            ) from error
        if parsed.step <= step:
            kept.append(line.decode("utf-8"))
    return kept
