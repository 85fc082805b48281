"""When the state of a training is saved, and what goes with it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from nsface.errors import DiskFull, NsfaceError, listing
from nsface.finite import not_finite
from nsface.run_folder import RunFolder
from nsface.training.background import Background
from nsface.training.checkpoint import keep_as_good, save_checkpoint, tensors
from nsface.training.guards.disk import Disk
from nsface.training.guards.returning import GOOD
from nsface.training.host_copy import HostCopy, may_be_copied, size_of
from nsface.training.identity_rows import (
    ROWS,
    RowFiles,
    Rows,
    are_divided,
    by_name,
    remove_unnamed,
    size_of_rows,
    take_rows,
)
from nsface.training.initial import IDENTITIES
from nsface.training.log import Log
from nsface.training.scoring import Scoring
from nsface.training.trainer import Diverged, Trainer


@dataclass(frozen=True)
class _State:
    """What one rank writes of a state.

    Attributes:
        common: all but the rows that are in files of their own.
        rows: those of this rank.
        files: which these are; None where all rows are in `common`.
    """

    common: dict[str, Any]
    rows: Rows = field(default_factory=dict)
    files: RowFiles | None = None


class Saver:
    """Saves the state of a training into its run folder: after which steps, and how.

    The state is copied in host memory and written from there while the training goes on, at most one at a
    time. Where the copy would take too much memory (`host_copy.SHARE`), the training waits instead.

    Where ranks divide a large classifier, each writes its own rows (`nsface.training.identity_rows`), and the
    first rank the rest when all have done so.

    It is a context manager: on leaving, it waits until nothing is being written.

    Args:
        trainer: the trainer, at the step from which it goes on.
        run: the folder. Other ranks than the first write nothing but their rows.
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
        self._writers = trainer.ranks.beside() if are_divided(trainer.head) else None  # each in a thread
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
        if trainer.ranks.first:
            self._remove_unnamed()
        if not trainer.returns.wanted:
            return
        if trainer.step and trainer.returns.at_good_state and trainer.ranks.first:
            keep_as_good(self._run)  # which the training may not have come to before it was stopped
        if trainer.ranks.any(trainer.step == 0 or not good.exists()):
            state = self._state(good=True)
            self._write_rows(state)
            if trainer.ranks.first:
                if shortage := self._disk.shortage(self._size(state)):
                    self._disk.full(shortage, self.saved_step, needed=True)
                save_checkpoint(good, state.common, keep_former=False)

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
        ranks, writers = self._trainer.ranks, self._writers
        shortage = self._disk.shortage(self._size(state)) if ranks.first else None
        if writers is not None:
            shortage = ranks.from_first(shortage)
        if shortage and ranks.first:
            self._disk.full(shortage, self.saved_step, needed)
        if not ranks.first:
            self.saved_step = self._trainer.step
        if shortage or (not ranks.first and writers is None):
            return
        seconds = self._seconds_before + self._last - self._began
        if self._in_background is None:
            self._in_background = may_be_copied(self._size_here(state))
        if self._in_background:
            copy = replace(state, **self._copy.of({"common": state.common, "rows": state.rows}))
            self._writing.start(lambda: self._write(copy, seconds, needed))
        else:
            self._write(state, seconds, needed)

    def _state(self, good: bool) -> _State:
        """The present state; where each rank writes its rows, on other ranks than the first these alone."""
        trainer = self._trainer
        state = trainer.state(divided=self._writers is not None) | {IDENTITIES: self._identities}
        state |= self._validator.state() | ({GOOD: True} if good else {})
        if self._writers is None:
            return _State(state)
        shard, token = trainer.head.shard, trainer.ranks.from_first(secrets.token_hex(8))
        assert shard is not None
        rows = take_rows(state, trainer.head, trainer.optimizer)
        files = RowFiles.of_shard(trainer.step, token, shard)
        return _State(state | {ROWS: files.described()} if trainer.ranks.first else {}, rows, files)

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

    def _write(self, state: _State, seconds: float, needed: bool) -> None:
        self._copy.wait()
        try:
            self._write_rows(state)
            if not self._trainer.ranks.first:
                return
            self._log.sync()  # a checkpoint must not reach the disk before the lines up to its step
            save_finite(self._run.latest_checkpoint, state.common)
            self.saved_step = state.common["step"]
            if GOOD in state.common:
                keep_as_good(self._run)
            self._remove_unnamed()
            self._run.record_saved(self.saved_step, round(seconds, 3))
        except DiskFull as error:  # by something else that is being written at the same time
            self._disk.full(str(error), self.saved_step, needed)

    def _write_rows(self, state: _State) -> None:
        """Write this rank's rows, if each writes its own, and return when all have done so.

        What a rank raises is raised on the first one.
        """
        if state.files is None or self._writers is None:
            return
        fault = None
        try:
            if broken := not_finite(by_name(state.rows)):
                raise _no_longer_finite(broken, state.files.step)
            state.files.save(self._run.checkpoints, self._writers.rank, state.rows)
        except NsfaceError as error:
            fault = error
        faults = [error for error in self._writers.gathered(fault) if error is not None]
        if faults and self._writers.first:
            self._remove_unnamed()
            raise faults[0]

    def _remove_unnamed(self) -> None:
        run = self._run
        named_by = (run.latest_checkpoint, run.previous_checkpoint, run.good_checkpoint)
        remove_unnamed(run.checkpoints, named_by)

    def _size(self, state: _State) -> int:
        """The bytes of the files of a state, those of all ranks together."""
        return size_of(state.common) + (size_of_rows(self._trainer.head) if state.files else 0)

    def _size_here(self, state: _State) -> int:
        """The bytes of a state that the ranks of this machine have to copy."""
        own = size_of([state.common, state.rows])
        if self._writers is None:
            return own
        sizes = self._writers.gathered(own)
        return sum(sizes[rank] for rank in self._writers.on_machine())

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
        raise _no_longer_finite(broken, state["step"])
    save_checkpoint(path, state)


def _no_longer_finite(broken: list[str], step: int) -> Diverged:
    return Diverged(f"what is trained is no longer finite at step {step} ({listing(broken, 3)})")
