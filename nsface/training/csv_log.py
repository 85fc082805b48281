"""The log of a training as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from nsface.files import write_text
from nsface.run_folder import RunFolder
from nsface.training.trainer import Line
from nsface.training.whole_lines import WholeLines


class CsvLog:
    """Writes `log.csv`, which has the lines of `log.jsonl` as rows, while the training goes on.

    The columns are the keys of the lines. A line with another key, as a newer version of nsface may write
    when it resumes a run, gives the whole table another column, which is empty in the rows before it.

    Args:
        run: the folder, whose `log.jsonl` has been shortened to the step from which the training goes on; the
            table begins with the same lines.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._columns: list[str] = []
        self._file: WholeLines | None = None
        self._begin()

    def write(self, line: Line) -> None:
        """Add `line`, which the log has already; it is visible to others when this returns.

        Raises:
            DiskFull: it cannot be written; the table has no part of it.
        """
        if self._file is None or not line.keys() <= set(self._columns):
            self._begin()
            return
        self._file.write(_rows(self._columns, [line]))

    def _begin(self) -> None:
        """Write the table anew from the log, and keep it open."""
        self.close()
        lines = self._run.read_log()
        self._columns = list(dict.fromkeys(key for line in reversed(lines) for key in line))
        header = f"{','.join(self._columns)}\n" if lines else ""
        write_text(self._run.csv_file, header + _rows(self._columns, lines))
        self._file = WholeLines(self._run.csv_file) if lines else None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _rows(columns: list[str], lines: Iterable[Mapping[str, object]]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, columns, lineterminator="\n").writerows(lines)
    return text.getvalue()
