"""Jobs in several processes: what is left of them when one is lost, or when nobody waits any more."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from nsface.pool import WorkerEnded, at_once


def job(given: tuple[str, Path]) -> None:
    what, folder = given
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "swallows":  # as a training does that is complete when the signal comes
        came: list[int] = []
        usual = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
        (folder / "begun").touch()
        while not came:
            time.sleep(0.01)
        signal.signal(signal.SIGTERM, usual)
    if what == "next":
        (folder / "next").touch()


def test_a_killed_process_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(WorkerEnded, match=r"ended before its work was done: it was killed \(SIGKILL\), as a"):
        list(at_once(job, {"a": ("killed", tmp_path), "b": ("none", tmp_path)}, 2, 10.0))


def test_no_job_begins_once_the_iteration_is_closed(tmp_path: Path) -> None:
    kinds = ("none", "swallows", "swallows", "next", "next", "next")
    outcomes = at_once(job, {str(n): (kind, tmp_path) for n, kind in enumerate(kinds)}, 2, 20.0)
    next(outcomes)
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    began = time.monotonic()
    outcomes.close()
    assert time.monotonic() - began < 10, "a process waits for its next job"
    assert not (tmp_path / "next").exists()
