"""The line about all trainings: on a terminal one that changes, elsewhere lines of their own."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nsface.reproduce import progress
from nsface.reproduce.jobs import Job, jobs_of
from nsface.reproduce.progress import Progress

Given = dict[str, Any]


@pytest.fixture
def two(tmp_path: Path, given: Given) -> list[Job]:
    jobs = jobs_of("cifar10", {}, ["softmax", "free"], [0], tmp_path, given)
    for job in jobs:
        job.folder.mkdir()
    return jobs


def log(job: Job, step: int) -> None:
    (job.folder / "log.jsonl").write_text(json.dumps({"step": step}) + "\n")


def end(job: Job, error: float) -> None:
    (job.folder / "model.safetensors").touch()
    shares = dict.fromkeys(("probability", "saturated", "ece", "mce"), 0.5)
    line = {"step": 4, "epoch": 2.0, "images": 15, "error": error, "loss": 1.0, **shares}
    (job.folder / "test.jsonl").write_text(json.dumps(line) + "\n")
    (job.folder / "environment.json").write_text("{}")


def test_the_time_left_is_that_of_the_steps_left(two: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    shown = Progress(two, 1, None)
    assert shown.text() == "0 of 2 trainings done; training softmax, seed 0"
    log(two[0], 2)  # of 4, and 4 of the other
    now[0] += 10
    assert shown.text() == "0 of 2 trainings done, 30 s left; training softmax, seed 0"
    end(two[0], 0.2)
    now[0] += 10
    assert shown.text() == "1 of 2 trainings done, 20 s left; training free, seed 0"
    end(two[1], 0.2)
    assert shown.text() == "2 of 2 trainings done"
    assert Progress(two, 2, None).text() == "2 of 2 trainings done"


def test_several_that_go_on_at_once_are_named(two: list[Job]) -> None:
    assert Progress(two, 2, None).text().endswith("training 2: softmax seed 0, free seed 0")


def test_the_last_test_is_named_and_no_time_is_left(two: list[Job]) -> None:
    shown = Progress(two, 2, None)
    log(two[0], 4)
    assert shown.text().endswith(
        "training free, seed 0; after the last step, testing and saving softmax, seed 0"
    )
    log(two[1], 4)
    assert shown.text() == (
        "0 of 2 trainings done; after the last step, testing and saving 2: softmax seed 0, free seed 0"
    )


def test_the_line_of_many_trainings_is_short(tmp_path: Path, given: Given) -> None:
    arms = ["softmax", "noisy-0.1", "noisy-0.5", "disturb-label", "gradient-decay-0.1", "label-smoothing"]
    jobs = jobs_of("cifar10", {}, arms, [0, 1, 2, 5], tmp_path, given)
    line = Progress(jobs, 24, None).text()
    assert line == (
        "0 of 24 trainings done; training 24: softmax seeds 0-2,5, noisy-0.1 seeds 0-2,5, noisy-0.5 "
        "seeds 0-2,5 and 3 other arms"
    )
    assert len(line) <= progress.LONGEST


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_one_line_on_a_terminal(two: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "_SECONDS", 0.001)
    monkeypatch.setenv("COLUMNS", "30")
    with Progress(two, 1, lambda line: terminal.write(line + "\n")) as shown:
        while "training" not in terminal.getvalue():
            time.sleep(0.001)
        end(two[0], 0.2)
        shown.has_ended(two[0])
    written = terminal.getvalue()
    lines = [re.split(r"\r\x1b\[2K", line)[-1] for line in written.split("\n")]
    assert lines == ["softmax, seed 0: test error 20.00 %", ""]  # as they stay there
    assert max(map(len, re.split(r"\r\x1b\[2K|\n", written))) == len(lines[0])
    assert "\r\x1b[2K0 of 2 trainings done; traini\r" in written


def test_plain_lines_elsewhere(two: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.001)
    said: list[str] = []
    with Progress(two, 1, said.append) as shown:
        while not said:
            time.sleep(0.001)
        end(two[0], 0.2)
        shown.has_ended(two[0])
    assert said[0] == "0 of 2 trainings done; training softmax, seed 0"
    ended = [line for line in said if "test error" in line]
    assert ended == ["softmax, seed 0: test error 20.00 %; 1 of 2 trainings done; training free, seed 0"] or (
        ended[0].startswith("softmax, seed 0: test error 20.00 %; 1 of 2 trainings done, ")
    )
    assert not any("\r" in line for line in said)


def test_nothing_is_shown_where_nobody_listens(two: list[Job], capfd: pytest.CaptureFixture[str]) -> None:
    with Progress(two, 1, None) as shown:
        shown.say("nothing")
    assert capfd.readouterr() == ("", "")
