"""The trainings of a table: every arm with every seed, each an ordinary run in a folder of its own.

A run that is complete is not repeated, and one that was stopped goes on, so that the same command finishes
what is not done yet. Seeds, the order of the images and their augmentation are the same for all arms.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from nsface.device import pick_device
from nsface.errors import NsfaceError, RecipeError, listing, shown
from nsface.pool import WorkerEnded, at_once
from nsface.recipe.length import LENGTHS
from nsface.recipe.own_size import own_size
from nsface.recipe.schema import Recipe, load_recipe
from nsface.reproduce.arms import ARMS, Arm
from nsface.reproduce.one_set import check_images, check_trained_images
from nsface.reproduce.progress import Note, Progress
from nsface.reproduce.remedies import in_words_of_tables
from nsface.run_folder import RunFolder
from nsface.training.kept import Kept
from nsface.training.loop import Interrupted
from nsface.training.resuming import check_folder
from nsface.training.run import train
from nsface.training.series import has_diverged
from nsface.training.trainer import Diverged

PATIENCE = 30.0  # seconds in which a training that is stopped saves its state
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
        return RunFolder(self.folder).has_model() or self.diverged

    @property
    def diverged(self) -> bool:
        """Whether its training by this recipe has diverged."""
        return has_diverged(self.recipe, RunFolder(self.folder))

    def outcome(self) -> str:
        """What came out, in a few words: `test error 8.11 %`."""
        run = RunFolder(self.folder)
        if self.diverged:
            return f"diverged: {shown(run.read_environment()['diverged'])}"
        tests = run.read_tests()
        return f"test error {100 * tests[-1]['error']:.2f} %" if tests else "done"


def jobs_of(
    recipe: str,
    changes: Mapping[str, Any],
    arms: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    given: Mapping[str, Any],
    known: Mapping[str, Arm] = ARMS,
) -> list[Job]:
    """The trainings of a table, the seeds outermost, so that all arms have the first seed first.

    Args:
        recipe: the name of the table's recipe.
        changes: for all arms, by dotted key.
        arms: keys of `known`.
        out: the folder of the run folders.
        given: what the user has given in place of the recipe's values, for all arms, by dotted key.
        known: the arms that the table may have.

    Raises:
        RecipeError: no such arm, one is given twice, or `given` has what the table, an arm or a seed decides.
    """
    if unknown := [arm for arm in arms if arm not in known]:
        raise RecipeError(f"--arms {unknown[0]}: no such arm; there are {listing(list(known), len(known))}")
    if twice := [arm for arm in dict.fromkeys(arms) if list(arms).count(arm) > 1]:
        raise RecipeError(f"--arms {twice[0]}: given twice; give it once")
    decided = {key for arm in arms for key in known[arm].changes} | {"seed", "task"}
    if taken := sorted(key for key in given if _is_decided(key, decided)):
        who = "the table decides" if taken[0] == "task" else "the arms and seeds decide"
        raise RecipeError(f"--set {taken[0]}: {who} that; leave it out")
    if any(given.get(unit) is not None for unit in LENGTHS):
        changes = {key: value for key, value in changes.items() if key not in LENGTHS}
    if own_size(given.get("network.name")) is not None:  # which narrow channels make narrower
        changes = {key: value for key, value in changes.items() if key != "network.embedding_size"}
    made = []
    for seed in seeds:
        for arm in arms:
            loaded = load_recipe(recipe, {**changes, **known[arm].changes, **given, "seed": seed})
            made.append(Job(arm, loaded, out / f"{arm}-seed{seed}"))
    return made


def _is_decided(key: str, decided: set[str]) -> bool:
    """Whether one of the keys `decided` is `key`, lies below it, or has it below."""
    return any(f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.") for other in decided)


def check_folders(jobs: Sequence[Job]) -> None:
    """Refuse folders that could not be written, or that hold runs by other recipes.

    Raises:
        NsfaceError: with the folder.
    """
    for job in jobs:
        try:
            check_folder(job.recipe, RunFolder(job.folder), resume=True)
        except RecipeError as error:
            raise RecipeError(in_words_of_tables(str(error))) from error


def train_all(
    jobs: Sequence[Job],
    processes: int = 1,
    note: Note | None = None,
    ended: Callable[[], object] | None = None,
) -> None:
    """Train all `jobs`, so many at once; a run that diverges is recorded as such, and the others go on.

    How many threads each has depends on `processes` alone, not on how many are left: so the same call ends
    with the same bits, however often it was stopped.

    Args:
        note: called with lines about the progress.
        ended: called whenever a training has ended.

    Raises:
        NsfaceError: as by `train`; a folder that cannot be used, and other images than those of trainings
            that have begun, are refused before anything is trained.
        Interrupted: a signal came; every run that was going on has saved its state.
    """
    check_folders(jobs)
    check_images(jobs)
    todo = [job for job in jobs if not job.ended]
    processes = min(processes, len(jobs))
    threads = _threads_of_each(jobs, processes)
    with Progress(jobs, processes, note) as progress:
        if len(todo) < len(jobs):
            progress.say(f"{len(jobs) - len(todo)} of {len(jobs)} trainings are done already")

        def has_ended(job: Job) -> None:
            check_trained_images(jobs)
            progress.has_ended(job)
            if ended is not None:
                ended()

        if processes > 1 and len(todo) > 1:
            _train_at_once(todo, processes, threads, has_ended)
        else:
            with _threads(threads):
                _train_in_turn(todo, has_ended)


def _train_in_turn(todo: Sequence[Job], has_ended: Callable[[Job], object]) -> None:
    kept = Kept()
    for job in todo:
        _train(job, kept)
        has_ended(job)
        if kept.stopped and job is not todo[-1]:
            raise Interrupted(f"stopped after {job.title}; the same command goes on")


def _train_at_once(
    todo: Sequence[Job], processes: int, threads: int | None, has_ended: Callable[[Job], object]
) -> None:
    named = {str(job.folder): job for job in todo}
    outcomes = at_once(partial(_train_here, threads), named, processes, PATIENCE)
    with _stopped_by_signals(), closing(outcomes):
        try:
            for folder, outcome in outcomes:
                outcome()
                has_ended(named[folder])
        except WorkerEnded as error:
            raise WorkerEnded(
                f"{error}; the same command goes on, with a smaller --jobs if the memory is too small"
            ) from error


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """While entered, SIGINT and SIGTERM raise `Interrupted`; nothing changes outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise Interrupted("stopped; the same command goes on")

    usual = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


def _threads_of_each(jobs: Sequence[Job], processes: int) -> int | None:
    """How many threads each of `processes` trainings gets, which share the cores; None: as many as usual."""
    if processes == 1 or "OMP_NUM_THREADS" in os.environ:
        return None
    if any(pick_device(job.recipe.device).type != "cpu" for job in jobs):
        return None
    return max(1, cores() // processes)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_kept = Kept()  # of a process that trains one job after another


def _train_here(threads: int | None, job: Job) -> None:
    try:
        with _threads(threads):
            _train(job, _kept)
    except Interrupted:
        os._exit(130)  # or the process would begin its next job


def _train(job: Job, kept: Kept) -> None:
    try:
        train(job.recipe, job.folder, resume=True, kept=kept)
    except Diverged:
        pass  # as its environment.json says
    except Interrupted as error:
        raise Interrupted(f"{job.title}: stopped; the same command goes on") from error
    except NsfaceError as error:
        raise type(error)(f"{job.title}: {in_words_of_tables(str(error))}") from error
