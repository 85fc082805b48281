"""When, from what and by which command a report was made."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from nsface.report.classification import KEY
from nsface.report.runs import Run
from nsface.run_folder import RunFolder


@dataclass(frozen=True)
class Provenance:
    """Of a page.

    Attributes:
        made: when, as `2026-11-26 07:40 UTC`.
        command: the command that made it; '' where it was made from Python.
        rows: when the models and the results were written, by the times of the files: a title and a text for
            each run, with a dash where there is no such file.
    """

    made: str
    command: str
    rows: list[tuple[str, list[str]]]


def find_provenance(runs: Sequence[Run], command: str, now: datetime) -> Provenance:
    """Of a page about `runs`, made at `now`."""
    models = [text_of(_written(RunFolder(run.folder).model_file)) for run in runs]
    results = [_range([_written(_file_of(run, key)) for key in run.results]) for run in runs]
    return Provenance(text_of(now), command, [("model written", models), ("results written", results)])


def _file_of(run: Run, key: str) -> Path:
    """The file in which the result called `key` lies."""
    return run.folder / (KEY if key == KEY else f"{key.partition(': ')[0]}.json")


def _written(path: Path) -> datetime | None:
    """When a file was written; None where there is none, or its time is no date."""
    with suppress(OSError, OverflowError, ValueError):
        return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    return None


def _range(times: Sequence[datetime | None]) -> str:
    """From the earliest to the latest."""
    known = sorted(time for time in times if time is not None)
    return " – ".join(dict.fromkeys(text_of(time) for time in known[:1] + known[-1:])) or "–"


def text_of(time: datetime | None) -> str:
    """`2026-11-26 07:40 UTC`; a dash for None."""
    return "–" if time is None else f"{time.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
