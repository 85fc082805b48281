"""Times between marks, by a clock that is set by hand."""

from __future__ import annotations

import time

import pytest
import torch

from nsface.benchmark.timing import Clock, Rate, seconds

CPU = torch.device("cpu")


def test_durations_lie_between_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 11.0, 13.5, 14.5, 18.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(times))
    clock = Clock(CPU)
    for name in ("rest", "loader", "network", "loader", "network"):
        clock.mark(name)
    assert clock.durations() == {"loader": [1.0, 1.0], "network": [2.5, 3.5]}


def test_the_rate_of_blocks() -> None:
    assert Rate.of([3.0, 9.0, 4.0]) == Rate(4.0, 3.0, 9.0, (3.0, 9.0, 4.0))


def test_seconds_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 4.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(times))
    done: list[int] = []
    assert seconds(CPU, lambda: done.append(1)) == 3.0
    assert done == [1]
