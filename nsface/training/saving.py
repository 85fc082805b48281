"""When the state of a training is saved, and what goes with it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from nsface.errors import listing
from nsface.finite import not_finite
from nsface.run_folder import RunFolder
from nsface.training.checkpoint import save_checkpoint, tensors
from nsface.training.initial import IDENTITIES
from nsface.training.log import Log
from nsface.training.trainer import Diverged, Trainer
from nsface.training.validation import Validator


class Saver:
    """Saves the state of a training into its run folder: which steps it does so after, and how.

    Args:
        trainer: the trainer, at the step from which it goes on.
        run: the folder, of which only the first rank writes.
        log: is written to the disk before each state.
        identities: the names of the identities, in the order of labels.
        validator: has a state of its own, which goes with that of the trainer.

    Attributes:
        saved_step: the step of the newest state.
    """

    def __init__(
        self, trainer: Trainer, run: RunFolder, log: Log, identities: list[str], validator: Validator
    ) -> None:
        self._validator = validator
        self._trainer, self._run, self._log, self._identities = trainer, run, log, identities
        self.saved_step = trainer.step
        self._began = time.monotonic()
        self._seconds_before = run.read_environment().get("seconds", 0.0) if trainer.ranks.first else 0.0

    def due(self) -> bool:
        """Whether the step just done is one after which the state is saved: the last of an epoch, or of all.

        All ranks must call it together.
        """
        trainer = self._trainer
        last = trainer.step == trainer.total_steps
        return last or trainer.step % trainer.loader.batches_per_epoch == 0

    def save(self) -> None:
        """Save the state after the step just done. All ranks must call it together.

        Raises:
            Diverged: the state is not finite.
            NsfaceError: it cannot be written.
        """
        state = self._trainer.state() | {IDENTITIES: self._identities} | self._validator.state()
        if self._trainer.ranks.first:
            self._log.sync()  # a checkpoint must not reach the disk before the lines up to its step
            save_finite(self._run.latest_checkpoint, state)
            seconds = self._seconds_before + time.monotonic() - self._began
            self._run.record_duration(round(seconds, 3))
        self.saved_step = self._trainer.step


def save_finite(path: Path, state: dict[str, Any]) -> None:
    """Save `state` by `save_checkpoint` if it is finite.

    Raises:
        Diverged: it is not finite.
    """
    if broken := not_finite(tensors(state)):
        raise Diverged(f"what is trained is no longer finite at step {state['step']} ({listing(broken, 3)})")
    save_checkpoint(path, state)
