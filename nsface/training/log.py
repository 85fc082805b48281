"""The log of a training: a line a logging step, as JSON, as a table, and for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack, closing
from types import TracebackType

from nsface.ranks import Ranks
from nsface.run_folder import RunFolder
from nsface.training.csv_log import CsvLog
from nsface.training.tensorboard import TensorBoard
from nsface.training.trainer import Line
from nsface.training.whole_lines import WholeLines


class Log:
    """Writes `log.jsonl` and `log.csv` while it is entered. Only the first of several ranks does so.

    Args:
        run: the folder; what its log has after `step` is removed.
        step: the step from which the training goes on.
        tensorboard: whether curves for TensorBoard are written too.
    """

    def __init__(self, run: RunFolder, step: int, ranks: Ranks, tensorboard: bool = False) -> None:
        self._run, self._first = run, ranks.first
        self._tensorboard: TensorBoard | None = None
        self._open = ExitStack()
        if not ranks.first:
            return
        run.shorten_log(step)
        self._lines = self._open.enter_context(closing(WholeLines(run.log_file)))
        self._table = self._open.enter_context(closing(CsvLog(run)))
        if tensorboard:
            self._tensorboard = self._open.enter_context(closing(TensorBoard(run.tensorboard, step)))

    def write(self, line: Line) -> None:
        """Add `line`; in both files it is visible to others when this returns.

        Raises:
            DiskFull: it cannot be written; no file has a part of it.
        """
        if not self._first:
            return
        self._lines.write(json.dumps(line) + "\n")
        self._table.write(line)
        step = int(line["step"])
        self.add_points("training", {key: value for key, value in line.items() if key != "step"}, step)

    def add_points(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Give TensorBoard `values` by name, at `step`: of a line, or of something else that was measured."""
        if self._tensorboard is not None:
            self._tensorboard.write(group, values, step)

    def sync(self) -> None:
        """Return when all lines are on the disk, and all points in TensorBoard's file.

        Raises:
            DiskFull: they cannot be written.
        """
        if self._first:
            self._lines.sync()
        if self._tensorboard is not None:
            self._tensorboard.flush()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
