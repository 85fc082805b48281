"""The learning rate of each step."""

from __future__ import annotations

import math

from nsface.recipe.sections import Schedule


def learning_rate(schedule: Schedule, base: float, time: float, length: float) -> float:
    """The learning rate of the step that begins at `time`.

    Args:
        schedule: how the rate changes over the run.
        base: the highest rate.
        time: in [0, `length`), in epochs or iterations, as the recipe counts.
        length: of the whole run, in the same unit.
    """
    if time < schedule.warmup:
        return base * time / schedule.warmup
    share = (time - schedule.warmup) / (length - schedule.warmup)
    if schedule.kind == "step":
        passed = sum(time >= milestone for milestone in schedule.milestones)
        return base * float(schedule.factor**passed)
    if schedule.kind == "poly":
        return base * float((1 - share) ** schedule.power)
    return base * (1 + math.cos(math.pi * share)) / 2
