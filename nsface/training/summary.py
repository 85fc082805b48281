"""What a finished training says of itself in a few lines."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from nsface.errors import counted
from nsface.run_folder import RunFolder, troubles
from nsface.training.peak_memory import peak_memory
from nsface.training.progress import duration

PEAK_MEMORY = "peak_memory"  # the key of environment.json


def record_peak_memory(run: RunFolder, device: torch.device) -> None:
    """Write into environment.json how much memory the training has needed at most, over all its parts."""
    environment = run.read_environment()
    peak = max(peak_memory(device), environment.get(PEAK_MEMORY, 0))
    run.write_environment(environment | {PEAK_MEMORY: peak})


def run_summary(run: RunFolder) -> list[str]:
    """Lines about a finished run: its length and speed, the memory it took, the last values of its log.

    Example:
        >>> run_summary(RunFolder("runs/noisy"))  # doctest: +SKIP
        ['28000 steps in 9 min, 15,840 images/s (median), …', 'at the end: loss 0.42, accuracy 97.1 %, …']
    """
    log = run.read_log()
    return _lines(log, run.read_environment()) if log else []


def _lines(log: Sequence[Mapping[str, Any]], environment: Mapping[str, Any]) -> list[str]:
    last = log[-1]
    speed = statistics.median(line["images_per_second"] for line in log)
    memory = environment[PEAK_MEMORY] / 2**30
    steps = counted(last["step"], "step")
    shares = {key: f"{100 * last[key]:.1f} %" for key in ("accuracy", "saturated")}
    return [
        f"{steps} in {duration(environment['seconds'])}, {speed:,.0f} images/s (median), {memory:.1f} GiB of "
        "memory at most",
        f"at the end: loss {last['loss']:.3g}, accuracy {shares['accuracy']}, saturated "
        f"{shares['saturated']}, gradient norm {last['gradient_norm']:.3g}",
        *troubles(log, environment),
    ]
