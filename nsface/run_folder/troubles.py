"""What went wrong in a training that went on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nsface.errors import counted


def troubles(log: Sequence[Mapping[str, Any]], environment: Mapping[str, Any]) -> list[str]:
    """A line for each kind of trouble: steps that were skipped, and returns to earlier states.

    Args:
        log: the lines of `log.jsonl`.
        environment: the content of `environment.json`.

    Example:
        >>> troubles([{"step": 50, "skipped": 2}], {})
        ['2 steps skipped, which were not finite']
    """
    skipped = sum(line.get("skipped", 0) for line in log)
    were = "which was" if skipped == 1 else "which were"
    found = [f"{counted(skipped, 'step')} skipped, {were} not finite"] if skipped else []
    return found + [
        "went back from step {step:,} to step {to:,}, with {learning_rate:g} times the learning rate".format(
            **one
        )
        for one in environment.get("returns", [])
    ]
