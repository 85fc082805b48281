"""When the state of a training is saved, and what goes with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from nsface.errors import DiskFull, listing
from nsface.finite import not_finite
from nsface.run_folder import RunFolder
from nsface.training.background import Background
from nsface.training.checkpoint import keep_as_good, save_checkpoint, tensors
from nsface.training.guards.disk import Disk
from nsface.training.guards.returning import GOOD
from nsface.training.host_copy import HostCopy, may_be_copied, size_of
from nsface.training.initial import IDENTITIES
from nsface.training.log import Log
from nsface.training.scoring import Scoring
from nsface.training.trainer import Diverged, Trainer


class Saver:
    """Saves the state of a training into its run folder: after which steps, and how.

    The state is copied in host memory and written from there while the training goes on, at most one at a
    time. Where the copy would take too much memory (`host_copy.SHARE`), the training waits instead.

    It is a context manager: on leaving, it waits until nothing is being written.

    Args:
        trainer: the trainer, at the step from which it goes on.
        run: the folder, of which only the first rank writes.
        log: is written to the disk before each state.
        identities: the names of the identities, in the order of labels.
        validator: has a state of its own, which goes with that of the trainer.
        note: called with a line where the disk is nearly full.

    Attributes:
        saved_step: the step of the newest state that is whole on the disk. Ranks other than the first take it
            for whole as soon as it is begun.
    """

    def __init__(
        self,
        trainer: Trainer,
        run: RunFolder,
        log: Log,
        identities: list[str],
        validator: Scoring,
        note: Callable[[str], object] | None = None,
    ) -> None:
        self._validator = validator
        self._disk = Disk(run.latest_checkpoint, note)
        self._trainer, self._run, self._log, self._identities = trainer, run, log, identities
        self.saved_step = trainer.step
        self._began = self._last = time.monotonic()
        self._seconds_before = run.read_environment().get("seconds", 0.0) if trainer.ranks.first else 0.0
        minutes = trainer.recipe.checkpoint_minutes
        self._seconds_between = None if minutes is None else 60 * minutes
        self._copy = HostCopy()
        self._in_background: bool | None = None  # decided by the first state
        self._writing = Background()

    def epoch_ends(self) -> bool:
        """Whether the step just done is the last of an epoch, or of all, after which the state is saved."""
        trainer = self._trainer
        last = trainer.step == trainer.total_steps
        return last or trainer.step % trainer.loader.batches_per_epoch == 0

    def time_is_up(self) -> bool:
        """Whether `checkpoint_minutes` have passed since a state was saved, and none is being written.

        It is the first rank that measures the time, for all; the others never say so.
        """
        if self._seconds_between is None or not self._trainer.ranks.first or self._writing.busy:
            return False
        return time.monotonic() - self._last >= self._seconds_between

    def check(self) -> None:
        """Say or raise what `save` would have, about a state written meanwhile. This waits for nothing."""
        self._writing.check()
        self._disk.say()

    def begin(self) -> None:
        """Keep a state to go back to, where the recipe asks for it. All ranks must call it together.

        Raises:
            NsfaceError: it cannot be written.
        """
        trainer, good = self._trainer, self._run.good_checkpoint
        if not trainer.returns.wanted:
            return
        if trainer.step and trainer.returns.at_good_state and trainer.ranks.first:
            keep_as_good(self._run)  # which the training may not have come to before it was stopped
        if trainer.ranks.any(trainer.step == 0 or not good.exists()):
            state = self._state(good=True)
            if trainer.ranks.first:
                save_checkpoint(good, state, keep_former=False)

    def save(self, needed: bool = False, good: bool = False) -> None:
        """Save the state after the step just done. All ranks must call it together.

        Most of the work may be done after this has returned: see `check` and `finish`. Where the disk is too
        full for it, the newest state stays, and `note` is called with a line about that.

        Args:
            needed: whether the run ends with this state, so that a full disk is an error.
            good: whether it is one to go back to, if the recipe asks for that.

        Raises:
            Diverged: the state is not finite.
            NsfaceError: it cannot be written.
        """
        self.finish()  # the state before it, whose memory is used again
        state = self._state(good and self._trainer.returns.wanted)
        self._last = time.monotonic()
        if not self._trainer.ranks.first:
            self.saved_step = self._trainer.step
            return
        if shortage := self._disk.shortage(size_of(state)):
            self._disk.full(shortage, self.saved_step, needed)
            return
        seconds = self._seconds_before + self._last - self._began
        if self._in_background is None:
            self._in_background = may_be_copied(state)
        if self._in_background:
            copy = self._copy.of(state)
            self._writing.start(lambda: self._write(copy, seconds, needed))
        else:
            self._write(state, seconds, needed)

    def _state(self, good: bool) -> dict[str, Any]:
        state = self._trainer.state() | {IDENTITIES: self._identities} | self._validator.state()
        return state | ({GOOD: True} if good else {})

    def finish(self) -> None:
        """Return when every state is written.

        Raises:
            Diverged, NsfaceError: as `save`.
        """
        self._writing.wait()

    def divergence(self) -> Diverged | None:
        """The error about a state that was being written and is not finite, if there is one; waits for it.

        Raises:
            NsfaceError: as `save`.
        """
        try:
            self.finish()
        except Diverged as error:
            return error
        return None

    def _write(self, state: dict[str, Any], seconds: float, needed: bool) -> None:
        self._copy.wait()
        try:
            self._log.sync()  # a checkpoint must not reach the disk before the lines up to its step
            save_finite(self._run.latest_checkpoint, state)
            self.saved_step = state["step"]
            if GOOD in state:
                keep_as_good(self._run)
            self._run.record_duration(round(seconds, 3))
        except DiskFull as error:  # by something else that is being written at the same time
            self._disk.full(str(error), self.saved_step, needed)

    def __enter__(self) -> Saver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        elif issubclass(kind, Exception):
            with suppress(Exception):  # what ended the training is what is said
                self.finish()
        # a second Ctrl-C waits for nothing


def save_finite(path: Path, state: dict[str, Any]) -> None:
    """Save `state` by `save_checkpoint` if it is finite.

    Raises:
        Diverged: it is not finite.
    """
    if broken := not_finite(tensors(state)):
        raise Diverged(f"what is trained is no longer finite at step {state['step']} ({listing(broken, 3)})")
    save_checkpoint(path, state)
