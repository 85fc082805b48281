"""Time on a device: of blocks of work, and between marks on its way."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Rate:
    """What was done in a second, in several blocks of work: their median, and the lowest and highest.

    Attributes:
        blocks: the rate of each block, in their order.
    """

    median: float
    lowest: float
    highest: float
    blocks: tuple[float, ...]

    @classmethod
    def of(cls, rates: Sequence[float]) -> Rate:
        """The rate of blocks, at least one."""
        return cls(statistics.median(rates), min(rates), max(rates), tuple(rates))


def seconds(
    device: torch.device, work: Callable[[], object], clock: Callable[[], float] | None = None
) -> float:
    """Seconds that `work` takes, from an idle device until it is idle again, on the clock or by `clock`."""
    clock = clock or time.perf_counter
    synchronise(device)
    start = clock()
    work()
    synchronise(device)
    return clock() - start


def synchronise(device: torch.device) -> None:
    """Wait until `device` has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Clock:
    """Marks on the way of `device` through its work. No mark waits for the device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._marks: list[tuple[str, Any]] = []

    def mark(self, name: str) -> None:
        """Say that what was given to the device since the mark before is called `name`."""
        if self._device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._marks.append((name, event))
        else:
            self._marks.append((name, time.perf_counter()))

    def durations(self) -> dict[str, list[float]]:
        """Seconds between each mark and the one before it, by name. This waits for the device.

        What came before the first mark is not counted.
        """
        synchronise(self._device)
        found: dict[str, list[float]] = defaultdict(list)
        for (_, before), (name, at) in zip(self._marks[:-1], self._marks[1:], strict=True):
            spent = before.elapsed_time(at) / 1000 if self._device.type == "cuda" else at - before
            found[name].append(spent)
        return dict(found)
