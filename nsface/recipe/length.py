"""Recipes of another length than they were written for: times that do not fit are scaled."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from nsface.errors import counted

LENGTHS = ("epochs", "iterations")
TIMES = ("warmup", "milestones")


def length(content: dict[str, Any]) -> tuple[str, int] | None:
    """The unit and the length of a recipe's content; None where it has not exactly one, or not a number."""
    given = {unit: content[unit] for unit in LENGTHS if content.get(unit) is not None}
    if len(given) != 1:
        return None
    unit, value = next(iter(given.items()))
    return (unit, value) if type(value) is int and value > 0 else None


def fit_schedule(
    content: dict[str, Any], own_length: tuple[str, int] | None, given: Collection[str]
) -> str | None:
    """Scale the times of the schedule in `content` that do not fit, where the length is not the recipe's own.

    Times that the command line gives stay. What is not a number is left to validation.

    Args:
        content: of the recipe, with what the command line gives in place; it is changed.
        own_length: of the recipe as it is written, as `length` gives it.
        given: dotted keys that the command line gives.

    Returns:
        What was done, in one line; None where all times fit.
    """
    new, schedule = length(content), content.get("schedule")
    if (
        own_length is None
        or new is None
        or new == own_length
        or not isinstance(schedule, dict)
        or "schedule" in given
    ):
        return None
    (unit, steps), (own_unit, own_steps) = new, own_length
    times = {key: schedule.get(key) for key in TIMES if f"schedule.{key}" not in given}
    moments: list[Any] = [m for v in times.values() for m in (v if isinstance(v, list) else [v])]
    moments = [m for m in moments if m is not None]
    if not all(isinstance(m, (int, float)) for m in moments):
        return None
    if not any(moments) or (unit == own_unit and all(m < steps for m in moments)):
        return None
    changed = []
    for key, value in times.items():
        if not value:
            continue
        scaled = [m * steps / own_steps for m in (value if isinstance(value, list) else [value])]
        schedule[key] = scaled if isinstance(value, list) else scaled[0]
        changed.append(f"schedule.{key} is {_as_text(schedule[key])} in place of {_as_text(value)}")
    one, other = unit.removesuffix("s"), own_unit.removesuffix("s")
    lengths = f"{counted(steps, one)} in place of {counted(own_steps, other)}"
    return f"{', '.join(changed)}: scaled with the length of the run, {lengths}"


def _as_text(value: Any) -> str:
    return f"[{', '.join(f'{m:g}' for m in value)}]" if isinstance(value, list) else f"{value:g}"
