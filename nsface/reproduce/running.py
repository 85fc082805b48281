"""A table from its beginning to its files: `results.json`, and pages about it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nsface.device import pick_device
from nsface.errors import RecipeError, listing
from nsface.files import check_folder, write_text
from nsface.reproduce.jobs import Job, jobs_of, train_all
from nsface.reproduce.outcomes import Reproduction, read_outcomes
from nsface.reproduce.tables import TABLES, ScaleName
from nsface.run_folder import RunFolder

MOST_JOBS = 4  # at once, unless another number is given
RESULTS = "results.json"


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
    jobs = jobs_of(
        table.recipe,
        chosen.changes,
        arms or chosen.arms,
        range(chosen.seeds) if seeds is None else seeds,
        folder,
        given,
    )
    check_folder(folder)
    train_all(jobs, processes or default_processes(jobs), note)
    found = Reproduction(
        name, table, chosen, scale, jobs[0].recipe.model_dump(), read_outcomes(jobs), len(jobs), _where(jobs)
    )
    content = found.to_json() | ({"command": command} if command else {})
    write_text(folder / RESULTS, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return found


def default_processes(jobs: Sequence[Job]) -> int:
    """How many trainings at once the device bears: one a core, at most `MOST_JOBS`."""
    device = pick_device(jobs[0].recipe.device)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_JOBS, MOST_JOBS if device.type == "cuda" else cores)


def _where(jobs: Sequence[Job]) -> dict[str, Any]:
    """Hardware, versions and data, as the first run that has ended recorded them."""
    run = next((RunFolder(job.folder) for job in jobs if job.ended), None)
    if run is None:
        return {}
    recorded = run.read_environment()
    kept = (
        "nsface",
        "commit",
        "torch",
        "python",
        "platform",
        "device",
        "precision",
        "threads",
        "data",
        "images",
    )
    found = {key: recorded[key] for key in kept if key in recorded}
    tests = run.read_tests()
    return found | ({"test_images": tests[-1]["images"]} if tests else {})
