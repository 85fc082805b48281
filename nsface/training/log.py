"""The log of a training: a line a logging step."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType

from nsface.files import sync
from nsface.ranks import Ranks
from nsface.run_folder import RunFolder
from nsface.training.trainer import Line


class Log:
    """Writes `log.jsonl` while it is entered. Only the first of several ranks does so.

    Args:
        run: the folder; what its log has after `step` is removed.
        step: the step from which the training goes on.
    """

    def __init__(self, run: RunFolder, step: int, ranks: Ranks) -> None:
        self._path = run.log_file if ranks.first else Path(os.devnull)
        if ranks.first:
            run.shorten_log(step)
        self._file = self._path.open("a", encoding="utf-8")

    def write(self, line: Line) -> None:
        """Add `line`; it is visible to others when this returns."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def sync(self) -> None:
        """Return when all lines are on the disk."""
        if self._path != Path(os.devnull):
            sync(self._path)

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
