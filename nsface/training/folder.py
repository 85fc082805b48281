"""The run folder: whose it is, what it was begun with, and what of its log is kept."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nsface import files
from nsface.errors import NsfaceError, RecipeError, listing
from nsface.files import reason, write_text
from nsface.recipe import INDIFFERENT, Recipe, load_recipe


def check_folder(recipe: Recipe, out: Path, resume: bool) -> None:
    """Refuse a run folder that could not be written, or that holds another run than the one to resume."""
    written = out / "recipe.yaml"
    if not written.exists():
        try:
            files.check_folder(out)
        except NsfaceError as error:
            raise NsfaceError(f"{error}; choose another --out") from error
        for name in ("model.safetensors", "environment.json", "log.jsonl", "checkpoints/latest.pt"):
            if (out / name).exists():
                raise NsfaceError(f"{out} holds a {name} and is no run folder; choose another --out")
    elif not resume:
        raise NsfaceError(f"{out} holds a run already; give --resume to go on with it, or another --out")
    elif differing := differences(load_recipe(written), recipe):
        raise RecipeError(
            f"--resume: {written} differs from the recipe given in {listing(differing)}; "
            "repeat the options of that run, or choose another --out"
        )


def check_data(environment: Path, fingerprint: str) -> None:
    """Refuse to resume a run on other data than those it began with, which its `environment` records.

    Raises:
        RecipeError: other data, or no record of them.
    """
    try:
        begun_with = json.loads(environment.read_text(encoding="utf-8"))["data"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecipeError(
            f"--resume: {environment} does not say which data the run began with; choose another --out"
        ) from error
    if begun_with != fingerprint:
        raise RecipeError(
            f"--resume: the training images are not those the run began with (names, labels, sizes or "
            f"bytes differ from the fingerprint in {environment}); put them back, or choose another --out"
        )


@contextmanager
def claimed(recipe: Recipe, out: Path, resume: bool) -> Iterator[None]:
    """Make the run folder, with its recipe, and while entered hold it against other processes.

    Raises:
        NsfaceError: it cannot be made, another process is training in it, or has begun a run in it.
    """
    try:
        (out / "checkpoints").mkdir(parents=True, exist_ok=True)
        folder = os.open(out, os.O_RDONLY)
    except OSError as error:
        raise NsfaceError(
            f"cannot make the run folder {out}: {reason(error)}; choose another --out"
        ) from error
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NsfaceError(
                f"{out}: another process is training in this folder; wait for it, or choose another --out"
            ) from error
        except OSError:
            pass  # some network file systems have no locks
        check_folder(recipe, out, resume)  # again: it takes long to read the images
        write_text(out / "recipe.yaml", recipe.to_yaml())
        yield
    finally:
        os.close(folder)


def differences(one: Recipe, other: Recipe) -> list[str]:
    """Keys whose values decide the weights and differ."""
    left, right = one.model_dump(), other.model_dump()
    return [key for key in left if key not in INDIFFERENT and left[key] != right[key]]


def kept_lines(log: Path, step: int) -> list[str]:
    """Lines of `log` up to `step`; what a killed run logged after its checkpoint will be logged again."""
    if not log.exists():
        return []
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    try:
        return [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    except (ValueError, KeyError, TypeError) as error:
        raise NsfaceError(f"{log}: damaged, not all of its lines are a step's; mend or remove it") from error
