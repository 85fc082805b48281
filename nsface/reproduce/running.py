"""A table from its beginning to its files: `results.json`, and pages about it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nsface import files
from nsface.device import pick_device
from nsface.errors import NsfaceError, RecipeError, listing, shown
from nsface.files import check_folder, make_folder, reason, write_text
from nsface.recipe.schema import load_recipe
from nsface.report.svg_file import document
from nsface.reproduce.curves import plots
from nsface.reproduce.jobs import Job, check_folders, cores, jobs_of, train_all
from nsface.reproduce.markdown import markdown
from nsface.reproduce.one_set import check_trained_images
from nsface.reproduce.outcomes import Reproduction, read_outcomes
from nsface.reproduce.page import html
from nsface.reproduce.tables import TABLES, ScaleName
from nsface.results.values import plain
from nsface.run_folder import RunFolder

MOST_JOBS = 4  # at once, unless another number is given
RESULTS, MARKDOWN, PAGE, FIGURES = "results.json", "results.md", "results.html", "figures"
_ORIGIN = (
    "nsface", "commit", "torch", "python", "platform", "device", "precision", "cores", "threads", "data",
    "images", "parameters",
)  # fmt: skip


def reproduce(
    name: str,
    out: str | os.PathLike[str],
    given: Mapping[str, Any],
    *,
    scale: ScaleName = "reduced",
    seeds: Sequence[int] | None = None,
    arms: Sequence[str] | None = None,
    processes: int | None = None,
    note: Callable[[str], object] | None = None,
    command: str | None = None,
) -> Reproduction:
    """Train a table, as far as that is not done, and write what it has found into `out`.

    `results.json`, `results.md` with its `figures/`, and `results.html` are written whenever a training has
    ended.

    Args:
        name: a key of `TABLES`.
        out: the folder of all runs and results.
        given: in place of the recipe's values, by dotted key; `data` must be there.
        scale: how much is trained.
        seeds, arms: in place of those of the scale.
        processes: trainings at once.
        note: called with lines about the progress.
        command: is recorded in the results.

    Raises:
        RecipeError: no such table or arm, or a value is wrong.
        DataError: the images cannot be used.
        NsfaceError: a folder cannot be used.
        Interrupted: a signal came; the same call goes on.

    Example:
        >>> found = reproduce("mnist", "runs/mnist", {"data": "MNIST"}, scale="quick")  # doctest: +SKIP
        >>> found.by_seed("softmax")  # doctest: +SKIP
        {0: 0.0103, 1: 0.0096, 2: 0.0111}
    """
    if name not in TABLES:
        raise RecipeError(f"no such table: {name}; there are {listing(list(TABLES))}")
    table, folder = TABLES[name], Path(out)
    chosen = table.scales[scale]
    wanted = range(chosen.seeds) if seeds is None else seeds
    jobs = jobs_of(table.recipe, chosen.changes, arms or chosen.arms, wanted, folder, given)
    recipes: dict[str, dict[str, Any]] = {}
    for job in jobs:
        recipes.setdefault(job.arm, job.recipe.model_dump())
    full = load_recipe(table.recipe, {"data": jobs[0].recipe.data}).model_dump()

    def found() -> Reproduction:
        outcomes = read_outcomes(jobs)
        return Reproduction(name, table, scale, recipes, full, outcomes, len(jobs), where(jobs))

    def write() -> None:
        write_results(folder, found(), command)

    check_folder(folder)
    check_folders(jobs)
    check_trained_images(jobs)
    with locked(folder):
        if any(job.ended for job in jobs):
            write()  # it may have been stopped between the end of a training and this
        train_all(jobs, processes or default_processes(jobs), note, write)
    return found()


def write_results(folder: Path, found: Reproduction, command: str | None) -> None:
    """Write `results.json`, and the pages and figures about it."""
    content = plain(found.to_json()) | ({"command": command} if command else {})
    figures = [("Errors", plots(found, "errors")), ("Saturation", plots(found, "saturation"))]
    make_folder(folder / FIGURES)
    for _, several in figures:
        for plot in several:
            write_text(folder / FIGURES / f"{plot.name}.svg", document(plot))
    write_text(folder / MARKDOWN, markdown(found, figures, FIGURES, command))
    write_text(folder / PAGE, html(found, figures, command))
    write_text(folder / RESULTS, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make `folder` if it is not there, and while entered hold it against another such command.

    Raises:
        NsfaceError: it cannot be made, or another process holds it.
    """
    make_folder(folder)
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise NsfaceError(
            f"{shown(folder)}: cannot be read: {reason(error)}; choose another --out"
        ) from error
    try:
        if not files.lock(handle):
            raise NsfaceError(
                f"{shown(folder)}: another process is training a table in this folder; wait for it, or "
                "choose another --out"
            )
        with files.not_inherited(handle):
            yield
    finally:
        os.close(handle)


def default_processes(jobs: Sequence[Job]) -> int:
    """How many trainings at once the device bears: one a core, at most `MOST_JOBS`."""
    device = pick_device(jobs[0].recipe.device)
    return min(MOST_JOBS, MOST_JOBS if device.type == "cuda" else cores())


def where(jobs: Sequence[Job], keys: Sequence[str] = _ORIGIN) -> dict[str, Any]:
    """Hardware, versions and data, as the runs that have ended recorded them: a list where they differ."""
    runs = [RunFolder(job.folder) for job in jobs if job.ended]
    recorded = [run.read_environment() for run in runs]
    found: dict[str, Any] = {}
    for key in keys:
        values = list(dict.fromkeys(one[key] for one in recorded if key in one))
        if values:
            found[key] = values[0] if len(values) == 1 else values
    if started := [one["started"] for one in recorded if "started" in one]:
        found["started"] = min(started)
    tests = next((lines for run in runs if (lines := run.read_tests())), None)
    return found | ({"test_images": tests[-1]["images"]} if tests else {})
