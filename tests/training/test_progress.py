"""Plain lines where there is no terminal, a bar where there is one, nothing where nobody listens."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nsface.recipe.schema import Recipe
from nsface.training import progress as module
from nsface.training.progress import Progress
from nsface.training.run import train


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_at_fixed_times(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("nsface.training.progress.time.monotonic", lambda: now)
    lines: list[str] = []
    with Progress("training", "steps", 1000, lines.append, done=100) as progress:
        for _ in range(90):  # a step a second
            now += 1
            progress.update(1, f"loss {now:.0f}")
    assert lines == [
        "training: 130 of 1,000 steps (13 %), 14 min left, loss 130",
        "training: 160 of 1,000 steps (16 %), 14 min left, loss 160",
        "training: 190 of 1,000 steps (19 %), 14 min left, loss 190",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5 s"), (89, "89 s"), (600, "10 min"), (7260, "2 h 1 min")]
)
def test_durations(seconds: float, said: str) -> None:
    assert module.duration(seconds) == said


def test_on_a_terminal_there_is_a_bar_and_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, lines = Terminal(), list[str]()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    with Progress("training", "steps", 3, lines.append) as progress:
        progress.update(3, "loss 1")
    assert lines == []
    assert "3/3" in shown.getvalue()


def test_without_a_listener_there_is_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    with Progress("training", "steps", 3, None) as progress:
        progress.update(3)
    assert shown.getvalue() == ""


def test_a_training_says_how_far_it_is(
    small: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    lines: list[str] = []
    train(small(epochs=2), tmp_path / "run", note=lines.append)
    assert any(line.startswith("decoding: 60 of 60 images (100 %)") for line in lines)
    line = next(line for line in lines if line.startswith("training: 6 of 10 steps (60 %)"))
    assert re.search(r"\d s left, loss \d\.\d{3}, accuracy [\d.]+ %, \d+ images/s$", line)
