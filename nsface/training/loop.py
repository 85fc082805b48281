"""A training from its present step to the end, with what is written on the way: log, states, progress."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nsface.errors import DiskFull, ModelError, NsfaceError, shown
from nsface.run_folder import RunFolder
from nsface.training.checkpoint import load_checkpoint
from nsface.training.interruption import Interruption
from nsface.training.log import Log
from nsface.training.progress import Progress
from nsface.training.saving import Saver
from nsface.training.scoring import Scoring
from nsface.training.trainer import Diverged, Line, Trainer


class Interrupted(Exception):
    """The run was stopped by a signal, and can be resumed."""


class _GoingBack(Exception):
    """The training has diverged, and may go back to its last good state."""


def run_to_end(
    trainer: Trainer,
    run: RunFolder,
    identities: list[str],
    validator: Scoring,
    note: Callable[[str], object] | None = None,
    label: str = "",
) -> bool:
    """Train to the end. Write the log, show progress, and save the state: see `Saver`.

    It is saved after each epoch, when the recipe's `checkpoint_minutes` have passed, and when interrupted. A
    validation that is due after a step is made before the state of this step is saved; where a signal stops
    it, it is made when the training goes on. All ranks save and stop after the same step, and the first one
    writes. Checkpoints name the `identities`, and `label` stands before the progress.

    A training that diverges goes back to its last good state where the recipe says so (`guard.then`).

    Returns:
        Whether a signal came during the last step.

    Raises:
        Diverged: the loss or a weight is not finite, as environment.json then says. Earlier checkpoints stay,
            and the message names one.
        Interrupted: a SIGINT or SIGTERM came; the state after the last step is saved.
        NsfaceError: a file cannot be written, or something has removed one, or the folder.
    """
    while True:
        try:
            return _run(trainer, run, identities, validator, note, label)
        except _GoingBack as failure:
            go_back(trainer, validator, run, str(failure), note)
        except FileNotFoundError as error:
            if (gone := removed(error, run.path)) is None:
                raise
            raise NsfaceError(
                f"{shown(gone)}: something has removed it during the training; the same command with "
                "--resume goes on from the newest state that is left"
            ) from error


def removed(error: FileNotFoundError, folder: Path) -> str | None:
    """The path that is not there, where it is `folder` or lies in it; None otherwise."""
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    below = Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))
    return path if path and below else None


def go_back(
    trainer: Trainer,
    validator: Scoring,
    run: RunFolder,
    why: str,
    note: Callable[[str], object] | None = None,
) -> None:
    """Let a training that has diverged go on from its last good state, with a lower learning rate.

    All ranks must call it together. environment.json records it, and `note` is called with a line about it.

    Raises:
        ModelError: that state cannot be read.
    """
    trainer.ranks.wait()  # until the first rank writes no state any more
    step, before = trainer.step, trainer.returns.state()
    try:
        state = load_checkpoint(run.good_checkpoint, trainer.device, trainer.head.shard)
    except ModelError as error:
        raise ModelError(f"{why}; the state to go back to cannot be used: {error}") from error
    validator.restore(state)
    trainer.restore(state)
    trainer.returns.restore(before)
    trainer.returns.at_good_state = False  # it is kept already, and the newest state may be a later one
    line = trainer.returns.add(step, trainer.step, why)
    if trainer.ranks.first:
        run.write_environment(run.read_environment() | {"returns": trainer.returns.made})
    if note is not None:
        note(line)
    trainer.ranks.wait()  # until all have read the state, before the first rank writes another


def _run(
    trainer: Trainer,
    run: RunFolder,
    identities: list[str],
    validator: Scoring,
    note: Callable[[str], object] | None,
    label: str,
) -> bool:
    """`run_to_end`, but that it raises `_GoingBack` where the training may go back."""
    what = f"{label}: training" if label else "training"
    progress = Progress(what, "steps", trainer.total_steps, note, trainer.step)
    with (
        progress,
        Log(run, trainer.step, trainer.ranks, trainer.recipe.tensorboard) as log,
        Interruption() as interruption,
        Saver(trainer, run, log, identities, validator, note) as saver,
    ):
        ended = waiting = False  # an epoch whose end has not been saved; a step whose state may be saved
        validator.begin()
        saver.begin()

        def validated() -> bool:
            due = validator.due()
            done = validator.validate_if_due(lambda: interruption.requested)
            if due and done:
                for group, points, step in validator.points():
                    log.add_points(group, points, step)
            return done

        try:
            if not validated():  # one that was due when the training was stopped
                raise interrupted(trainer)
            for line in trainer.run():
                # a validation may take longer than a step may
                trainer.ranks.done(None if validator.due() else trainer.step)
                if line is not None:
                    log.write(line)
                if note is not None and trainer.step == trainer.learning.steps:
                    list(map(note, trainer.learning.remarks()))
                saver.check()
                stop, time_is_up = trainer.ranks.any_of(interruption.requested, saver.time_is_up())
                stop = stop or not validated()
                progress.update(1, None if line is None else progress_text(line) + validator.text())
                last = trainer.step == trainer.total_steps
                ended = ended or saver.epoch_ends()
                if ended or time_is_up or waiting or stop:
                    waiting = trainer.in_doubt() and not last
                    if not waiting:  # otherwise after the next step that is finite
                        saver.save(needed=stop or last, good=ended)
                        ended = False
                if stop and (not last or validator.due()):
                    saver.finish()
                    raise interrupted(trainer, saver.saved_step if waiting else None)
            saver.finish()
            trainer.ranks.done(None)
        except Diverged as error:
            earlier = saver.divergence() or error
            if trainer.returns.left:
                raise _GoingBack(str(earlier)) from error
            if trainer.ranks.first:
                with suppress(DiskFull):  # the divergence itself is what is said
                    run.record_divergence(str(earlier))
            left = remedy(trainer, run.latest_checkpoint, saver.saved_step)
            raise Diverged(f"{earlier}{trainer.returns.text()}; {left}") from error
        return trainer.ranks.any(interruption.requested)


def interrupted(trainer: Trainer, saved_step: int | None = None) -> Interrupted:
    """What is raised after the step just done; `saved_step` is that of the newest state if it is earlier."""
    stays = "" if saved_step is None else f", with the state of step {saved_step}"
    return Interrupted(
        f"stopped after step {trainer.step} of {trainer.total_steps}{stays}; "
        "go on with the same command and --resume"
    )


def remedy(trainer: Trainer, checkpoint: Path, saved_step: int) -> str:
    """The end of a message about a diverged training: the state that is left, likely causes, a remedy."""
    rate, warmup = trainer.recipe.optimizer.learning_rate, trainer.recipe.schedule.warmup
    rate *= trainer.returns.rate
    causes = [f"optimizer.learning_rate ({rate:g}) too high", f"schedule.warmup ({warmup:g}) too short"]
    scale = getattr(trainer.head, "scale", None)
    if scale is not None:
        causes.append(f"head.scale ({float(scale):g}) too high")
    left = "no state had been saved yet"
    if saved_step:
        left = f"the last good state, of step {saved_step}, stays in {shown(checkpoint)}"
    again = "go on" if saved_step else "begin again"
    return (
        f"{left}; likely causes: {', '.join(causes)}; {again} with the same command and --resume --changed "
        f"--set optimizer.learning_rate={min(rate / 10, 0.1):g}, or set optimizer.clip_norm"
    )


def progress_text(line: Line) -> str:
    """Loss, accuracy and speed in a few words, for the progress."""
    return (
        f"loss {line['loss']:.3f}, accuracy {100 * line['accuracy']:.1f} %, "
        f"{line['images_per_second']:.0f} images/s"
    )
