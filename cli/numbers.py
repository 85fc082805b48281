"""Options that take a number, and their ranges: a number outside is a mistake, or work without end."""

from __future__ import annotations

from collections.abc import Callable
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
PEOPLE = click.IntRange(0, 10_000_000)  # as many as the largest public sets have
SEED = click.IntRange(0, 2**63 - 1)


def number_option(
    *names: str, kind: click.IntRange, default: int | None = None, text: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command an option that takes a number N; its default is shown in the help.

    Args:
        names: as of `click.option`.
    """
    shown = default is not None
    return click.option(*names, metavar="N", type=kind, default=default, show_default=shown, help=text)
