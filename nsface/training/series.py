"""Trainings that one command makes one after the other: the same recipe with one seed after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nsface.errors import counted, listing, shown
from nsface.ranks import ALONE, Ranks
from nsface.recipe.schema import Recipe
from nsface.run_folder import RunFolder
from nsface.training.kept import Kept
from nsface.training.loop import Interrupted
from nsface.training.resuming import check_folder, differences
from nsface.training.run import train
from nsface.training.trainer import Diverged


def train_seeds(
    runs: Sequence[tuple[Recipe, Path]],
    *,
    resume: bool = False,
    changed: bool = False,
    ranks: Ranks = ALONE,
    note: Callable[[str], object] | None = None,
    command: str | None = None,
    made: Callable[[Path], object] | None = None,
) -> None:
    """Train each recipe in its folder, in turn, to the bits that `train` would reach with it alone.

    The images are decoded once for all. A run that diverges is recorded as such, and the others are trained.
    With `resume` the runs that are complete stay as they are, the one that was interrupted continues, and the
    rest begin; one that has diverged by the same recipe would do so again and is left as it is.

    Args:
        runs: recipes that differ in the seed alone, and folders of their own.
        resume, changed, ranks, note, command: see `train`.
        made: called on the first rank with the path of each model, as soon as it is complete.

    Raises:
        NsfaceError: as by `train`; a folder that cannot be used is refused before anything is trained.
        Diverged: at the end, where any run has diverged; on several ranks at once, since they may not all
            know of it.
        Interrupted: a SIGINT or SIGTERM came; the runs that are not complete can be resumed.
    """
    for recipe, folder in runs:
        check_folder(recipe, RunFolder(folder), resume, changed)
    say = note if note is not None and ranks.first else _silent
    kept, diverged = Kept(), []
    for number, (recipe, folder) in enumerate(runs, 1):
        kept.label = f"seed {recipe.seed} ({number} of {len(runs)})"
        if ranks.any(resume and has_diverged(recipe, RunFolder(folder))):
            say(f"{kept.label}: diverged before, in {shown(folder)}")
            diverged.append(recipe.seed)
            continue
        say(f"{kept.label}: {shown(folder)}")
        try:
            model = train(
                recipe,
                folder,
                resume=resume,
                changed=changed,
                ranks=ranks,
                note=note,
                command=command,
                kept=kept,
            )
        except Diverged as error:
            what = f"{kept.label} diverged: {error.__cause__ or error}"  # without the remedy for a single run
            if ranks.count > 1 and number < len(runs):
                raise Diverged(
                    f"{what}; the same command with --resume goes on with the next seed"
                ) from error
            say(what)
            diverged.append(recipe.seed)
            continue
        except Interrupted as interruption:
            raise Interrupted(f"{kept.label}: {interruption}") from interruption
        if made is not None and ranks.first:
            made(model)
        if kept.stopped and number < len(runs):
            raise Interrupted(f"stopped after {kept.label}; go on with the same command and --resume")
    if diverged:
        seeds = listing([str(seed) for seed in diverged])
        raise Diverged(
            f"{len(diverged)} of {counted(len(runs), 'seed')} diverged: {seeds}, as their environment.json "
            "says; only runs of one recipe are comparable: lower optimizer.learning_rate or set "
            "optimizer.clip_norm, and train all seeds again in another --out"
        )


def has_diverged(recipe: Recipe, run: RunFolder) -> bool:
    """Whether the folder records that a training by the same `recipe` has diverged."""
    if not run.is_run() or not run.environment_file.exists():
        return False
    return "diverged" in run.read_environment() and not differences(run.load_recipe(), recipe)


def _silent(line: str) -> None:
    pass
