"""Ranges of the numbers that options take: beyond them lies a slip of the finger, or work without end."""

from __future__ import annotations

from typing import Any

import click


class Finite(click.FloatRange):
    """A number within bounds; NaN, which is neither below nor above any, is refused too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


WORKERS = click.IntRange(1, 1024)
BATCH = click.IntRange(1, 65_536)
DIMENSIONS = click.IntRange(1, 65_536)
PEOPLE = click.IntRange(0, 10_000_000)  # as many as the largest public sets have
SEED = click.IntRange(0, 2**63 - 1)
FAR = Finite(0, 1)
