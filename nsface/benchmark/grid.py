"""Many settings of a training, each measured in a process of its own, and where they were measured."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nsface.benchmark.apart import Failed, apart
from nsface.benchmark.speed import Measurement, Setting, measure
from nsface.device import DeviceChoice, pick_device, pick_precision
from nsface.training.environment import describe_environment, utc_now


@dataclass(frozen=True)
class Cell:
    """A setting with what was measured of it, or, in `error`, why it could not be."""

    setting: Setting
    measurement: Measurement | None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        if self.measurement is None:
            return self.setting.describe() | {"error": self.error}
        return self.setting.describe() | self.measurement.to_json()


def measure_all(settings: Iterable[Setting], progress: Callable[[Cell], object]) -> list[Cell]:
    """Measure each of `settings`, one after the other; one that fails leaves the others.

    Args:
        progress: called with each cell.
    """
    cells = []
    for setting in settings:
        try:
            cell = Cell(setting, apart(measure, setting))
        except Failed as error:
            cell = Cell(setting, None, str(error))
        cells.append(cell)
        progress(cell)
    return cells


def hardware(choice: DeviceChoice) -> dict[str, Any]:
    """Hardware, versions, commit and time: what the numbers of a measurement depend on."""
    device = pick_device(choice)
    found = describe_environment(device, pick_precision("auto", device))
    del found["precision"]  # which each cell has
    found |= {"started": utc_now(), "processor": processor(), "device_type": device.type}
    found["vector_instructions"] = torch.backends.cpu.get_cpu_capability()
    if device.type == "cuda":
        gpu = torch.cuda.get_device_properties(device)
        found |= {"device_memory": gpu.total_memory, "cuda": torch.version.cuda}
        found["cudnn"] = torch.backends.cudnn.version()
    return found


def processor() -> str:
    """The name of the processor, as far as the system tells."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        named = re.search(r"^model name\s*:\s*(.+)$", information.read_text(), re.MULTILINE)
        if named:
            return named[1].strip()
    return platform.processor() or platform.machine()
