"""The table on faces from its beginning to its files: trainings, embeddings, scores, and pages about them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from nsface.files import check_folder, write_text
from nsface.report.runs import read_runs
from nsface.report.saturation import measures, points
from nsface.reproduce.arms import BASELINE
from nsface.reproduce.face_outcomes import FaceReproduction, Training
from nsface.reproduce.face_page import html, markdown
from nsface.reproduce.face_scores import Extraction, System, score_all
from nsface.reproduce.face_sets import FaceSets, open_sets
from nsface.reproduce.face_table import (
    CHOSEN_ON_LFW,
    DOUBTS,
    ENSEMBLES,
    FACE_ARMS,
    NOBODY_EXCLUDED,
    NOT_COMPARABLE,
    RECIPES,
    SCALES,
    SOME_EXCLUDED,
    FaceScaleName,
)
from nsface.reproduce.jobs import Job, jobs_of, train_all
from nsface.reproduce.running import RESULTS, default_processes, where
from nsface.results.values import plain
from nsface.run_folder import RunFolder

RECORDED = (
    "nsface", "commit", "torch", "python", "platform", "device", "precision", "threads", "data", "images",
    "identities",
)  # fmt: skip
MOST_POINTS = 100  # of a saturation curve in the results
AnyPath = str | os.PathLike[str]


def reproduce_faces(
    out: AnyPath,
    lfw: AnyPath,
    given: Mapping[str, Any],
    *,
    lists: AnyPath | None = None,
    single_lists: Mapping[str, AnyPath | None] | None = None,
    frames: AnyPath | None = None,
    scale: FaceScaleName = "reduced",
    recipe: str | None = None,
    seeds: Sequence[int] | None = None,
    arms: Sequence[str] | None = None,
    processes: int | None = None,
    note: Callable[[str], object] | None = None,
    command: str | None = None,
) -> FaceReproduction:
    """Train, extract and score what of the table is not done yet, and write what was found into `out`.

    Args:
        out: the folder of all runs and results.
        lfw: the images of LFW, aligned as those of the training.
        given: in place of the recipe's values, by dotted key; `data` must be there.
        lists: a folder of lists, which are known by their content.
        single_lists: lists by `pairs`, `fglfw`, `fglfw-like` and `splits`.
        frames: those of YouTube Faces.
        scale: how much is trained.
        recipe: in place of that of the scale: a name, or a file.
        seeds, arms: in place of those of the scale.
        processes: trainings at once.
        note: called with lines about the progress.
        command: is recorded in the results.

    Raises:
        RecipeError: no such arm, or a value is wrong.
        DataError: images or lists that cannot be used.
        NsfaceError: a folder cannot be used.
        Interrupted: a signal came; the same call goes on.

    Example:
        >>> found = reproduce_faces(  # doctest: +SKIP
        ...     "runs/faces", "lfw.tar", {"data": "train.tar"}, lists="lists", scale="quick"
        ... )
        >>> found.by_seed("softmax", found.rows()[0])  # doctest: +SKIP
        {0: 0.8012, 1: 0.7968}
    """
    chosen, folder = SCALES[scale], Path(out)
    name = recipe or RECIPES[scale]
    all_seeds = list(range(chosen.seeds) if seeds is None else seeds)
    jobs = jobs_of(name, chosen.changes, arms or chosen.arms, all_seeds, folder, given, FACE_ARMS)
    say: Callable[[str], object] = note or (lambda line: None)
    sets = open_sets(lfw, frames, lists, single_lists or {})
    sets.check_sizes(jobs[0].recipe.input)
    for sentence in sets.notes:
        say(f"note: {sentence}")
    check_folder(folder)
    train_all(jobs, processes or default_processes(jobs), note)
    scored = score_all(systems_of(jobs, folder), BASELINE, sets, _extraction(jobs[0]), say)
    found = FaceReproduction(
        scale_name=scale,
        scale=chosen,
        recipe_name=name,
        recipe=jobs[0].recipe.model_dump(),
        trainings=[_training(job) for job in jobs if job.ended],
        scored=scored,
        expected=len(jobs),
        images={"lfw": sets.lfw.location} | ({"ytf": sets.frames.location} if sets.frames else {}),
        lists={one.title: tuple(map(str, one.found.lists)) for one in sets.planned},
        not_run=sets.not_run,
        environment=where(jobs, RECORDED),
        doubts=_doubts(name, jobs[0], sets),
    )
    _write(found, folder, [job for job in jobs if job.ended], command)
    return found


def systems_of(jobs: Sequence[Job], out: Path) -> list[System]:
    """The networks of all trainings that have a model, and their ensembles."""
    runs = {(job.arm, job.recipe.seed): RunFolder(job.folder) for job in jobs}
    runs = {key: run for key, run in runs.items() if run.has_model()}
    found = [System(arm, seed, (run,), run.path) for (arm, seed), run in runs.items()]
    for ensemble in ENSEMBLES:
        seeds = [seed for arm, seed in runs if arm == ensemble.arms[0]]
        for seed, pair in ensemble.pairs(seeds).items():
            members = [runs.get(member) for member in zip(ensemble.arms, pair, strict=True)]
            if all(members):
                path = out / f"ensemble-{ensemble.name}-seed{'+'.join(map(str, dict.fromkeys(pair)))}"
                found.append(System(ensemble.name, seed, cast("tuple[RunFolder, ...]", tuple(members)), path))
    return found


def _extraction(job: Job) -> Extraction:
    """As the training: on its device, and in its precision, of which a network in use has no TF32."""
    precision = "fp32" if job.recipe.precision == "tf32" else job.recipe.precision
    return Extraction(job.recipe.device, precision)


def _training(job: Job) -> Training:
    run = RunFolder(job.folder)
    environment, log = run.read_environment(), run.read_log()
    curve = points(measures(read_runs([job.folder])[0])) if log else []
    places = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), MOST_POINTS)).round().astype(int))
    return Training(
        arm=job.arm,
        seed=job.recipe.seed,
        folder=job.folder.name,
        diverged=not run.has_model(),
        seconds=float(environment.get("seconds", 0.0)),
        accuracy=log[-1].get("accuracy") if log else None,
        saturation=[curve[place] for place in places.tolist()],
    )


def _doubts(recipe: str, job: Job, sets: FaceSets) -> list[str]:
    found = [NOT_COMPARABLE, *DOUBTS]
    if recipe == "lfw-small":
        found.append(CHOSEN_ON_LFW)
    excluded = len(job.recipe.exclude)
    found.append(SOME_EXCLUDED.format(excluded) if excluded else NOBODY_EXCLUDED)
    found += [f"{one.title} is not FGLFW." for one in sets.planned if one.title.startswith("FGLFW-like")]
    return found


def _write(found: FaceReproduction, folder: Path, jobs: Sequence[Job], command: str | None) -> None:
    content = plain(found.to_json()) | ({"command": command} if command else {})
    write_text(folder / RESULTS, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    write_text(folder / "results.md", markdown(found, command or ""))
    first = {job.arm: job for job in reversed(jobs)}
    drawn = read_runs([job.folder for job in reversed(first.values())])
    write_text(folder / "results.html", html(found, drawn, command or ""))
