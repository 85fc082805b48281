"""The trainings of a table: every arm with every seed, each an ordinary run in a folder of its own.

A run that is complete is not repeated, and one that was stopped goes on, so that the same command finishes
what is not done yet. Seeds, the order of the images and their augmentation are the same for all arms.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsface.device import pick_device
from nsface.errors import NsfaceError, RecipeError, listing
from nsface.pool import at_once
from nsface.recipe.schema import Recipe, load_recipe
from nsface.reproduce.arms import ARMS
from nsface.run_folder import RunFolder
from nsface.training.kept import Kept
from nsface.training.loop import Interrupted
from nsface.training.progress import SECONDS_BETWEEN_LINES, duration
from nsface.training.resuming import check_folder
from nsface.training.run import train
from nsface.training.series import has_diverged
from nsface.training.trainer import Diverged

Note = Callable[[str], object]
PATIENCE = 30.0  # seconds in which a training that is stopped saves its state


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        arm: a key of `ARMS`.
        recipe: with its seed.
        folder: of the run.
    """

    arm: str
    recipe: Recipe
    folder: Path

    @property
    def title(self) -> str:
        return f"{self.arm}, seed {self.recipe.seed}"

    @property
    def length(self) -> int:
        """Of the run, in the recipe's unit: steps, or epochs."""
        return self.recipe.iterations or self.recipe.epochs or 1

    @property
    def done(self) -> float:
        """How much of `length` is done, by the log."""
        if self.ended:
            return self.length
        lines = RunFolder(self.folder).read_newest_lines()
        return float(lines[-1]["step" if self.recipe.iterations else "epoch"]) if lines else 0.0

    @property
    def ended(self) -> bool:
        """Whether the run is complete, or has diverged."""
        run = RunFolder(self.folder)
        return run.has_model() or has_diverged(self.recipe, run)


def jobs_of(
    recipe: str,
    changes: Mapping[str, Any],
    arms: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    given: Mapping[str, Any],
) -> list[Job]:
    """The trainings of a table, the seeds outermost, so that all arms have the first seed first.

    Args:
        recipe: the name of the table's recipe.
        changes: for all arms, by dotted key.
        arms: keys of `ARMS`.
        out: the folder of the run folders.
        given: what the user has given in place of the recipe's values, for all arms, by dotted key.

    Raises:
        RecipeError: no such arm, or `given` has what an arm or a seed decides.
    """
    if unknown := [arm for arm in arms if arm not in ARMS]:
        raise RecipeError(f"--arms {unknown[0]}: no such arm; there are {listing(list(ARMS), len(ARMS))}")
    decided = {key for arm in arms for key in ARMS[arm].changes} | {"seed"}
    if taken := sorted(decided & given.keys()):
        raise RecipeError(f"--set {taken[0]}: the arms and seeds decide that; leave it out")
    made = []
    for seed in seeds:
        for arm in arms:
            loaded = load_recipe(recipe, {**changes, **ARMS[arm].changes, **given, "seed": seed})
            made.append(Job(arm, loaded, out / f"{arm}-seed{seed}"))
    return made


def train_all(jobs: Sequence[Job], processes: int = 1, note: Note | None = None) -> None:
    """Train all `jobs`, so many at once; a run that diverges is recorded as such, and the others go on.

    Args:
        note: called with lines about the progress.

    Raises:
        NsfaceError: as by `train`; a folder that cannot be used is refused before anything is trained.
        Interrupted: a signal came; every run that was going on has saved its state.
    """
    for job in jobs:
        check_folder(job.recipe, RunFolder(job.folder), resume=True)
    todo = [job for job in jobs if not job.ended]
    say: Note = note or (lambda line: None)
    if len(todo) < len(jobs):
        say(f"{len(jobs) - len(todo)} of {len(jobs)} trainings are done already")
    clock = _Clock(jobs, todo)
    if min(processes, len(todo)) <= 1:
        kept = Kept()
        for job in todo:
            kept.label = f"{job.title} ({clock.text()})"
            _train(job, kept, note)
            if kept.stopped and job is not todo[-1]:
                raise Interrupted(f"stopped after {job.title}; the same command goes on")
        return
    _train_at_once(todo, processes, clock, say)


def _train_at_once(todo: Sequence[Job], processes: int, clock: _Clock, say: Note) -> None:
    """Train in several processes; a thread says from time to time how far they are."""
    over = threading.Event()

    def report() -> None:
        while not over.wait(SECONDS_BETWEEN_LINES):
            say(clock.text())

    def stop(number: int, frame: object) -> None:
        raise Interrupted("stopped; the same command goes on")

    reporter = threading.Thread(target=report, name="progress", daemon=True)
    usual = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    reporter.start()
    if all(pick_device(job.recipe.device).type == "cpu" for job in todo):  # the processes share the cores
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    try:
        named = {job.title: job for job in todo}
        with closing(at_once(_train_here, named, processes, PATIENCE)) as ended:
            for title, outcome in ended:
                outcome()
                say(f"{title} is done; {clock.text()}")
    finally:
        over.set()
        for number, handler in usual.items():
            signal.signal(number, handler)


_kept = Kept()  # of a process that trains one job after another


def _train_here(job: Job) -> None:
    try:
        _train(job, _kept, None)
    except Interrupted:
        os._exit(130)  # or the process would begin its next job


def _train(job: Job, kept: Kept, note: Note | None) -> None:
    try:
        train(job.recipe, job.folder, resume=True, note=note, kept=kept)
    except Diverged as error:
        if note is not None:
            note(f"{job.title} diverged: {error.__cause__ or error}")
    except Interrupted as error:
        raise Interrupted(f"{job.title}: stopped; the same command goes on") from error
    except NsfaceError as error:
        raise type(error)(f"{job.title}: {error}") from error


class _Clock:
    """How much of the jobs is done, and how long the rest will take at the speed so far."""

    def __init__(self, jobs: Sequence[Job], todo: Sequence[Job]) -> None:
        self._jobs, self._todo = jobs, todo
        self._began, self._before = time.monotonic(), sum(job.done for job in todo)

    def text(self) -> str:
        """`3 of 15 done, 25 min left`; without a time before anything is known."""
        ended = sum(job.ended for job in self._todo)
        line = f"{len(self._jobs) - len(self._todo) + ended} of {len(self._jobs)} trainings done"
        now, spent = sum(job.done for job in self._todo), time.monotonic() - self._began
        if now > self._before:
            left = sum(job.length for job in self._todo) - now
            line += f", {duration(left * spent / (now - self._before))} left"
        return line
