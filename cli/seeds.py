"""Several seeds on the command line, and their trainings one after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nsface.cli.numbers import SEED
from nsface.cli.output import command_line, say, terminal_width
from nsface.errors import NsfaceError, shown

if TYPE_CHECKING:
    from nsface.ranks import Ranks
    from nsface.recipe.schema import Recipe

MOST_SEEDS = 1000


def parsed_seeds(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """The seeds that `0-4`, `0,3,7`, `5` or `0-2,7` stand for: the ends of a range belong to it."""
    if text is None:
        return None
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,19})(?:\s*-\s*([0-9]{1,19}))?\s*", part)
        if match is None:
            raise click.BadParameter(f"{shown(text)[:80]!r} is no list of seeds such as 0-4, or 0,3,7")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < first + MOST_SEEDS:
            raise click.BadParameter(f"{part.strip()}: a range has 1 to {MOST_SEEDS} seeds, lowest first")
        found += [SEED.convert(seed, option, context) for seed in range(first, last + 1)]
        if len(found) > MOST_SEEDS:
            raise click.BadParameter(f"more than {MOST_SEEDS} seeds")
    if twice := [seed for seed in found if found.count(seed) > 1]:
        raise click.BadParameter(f"seed {twice[0]} is given twice")
    return tuple(found)


def check_alone(seed: int | None, overrides: dict[str, Any]) -> None:
    """Refuse `--seeds` beside another way to give the seed."""
    if seed is not None:
        raise click.UsageError("give --seed or --seeds, not both")
    if "seed" in overrides:
        raise click.UsageError("give --set seed=N or --seeds, not both")


def train_all(
    runs: list[tuple[Recipe, Path]], out: Path | None, ranks: Ranks, resume: bool, changed: bool
) -> None:
    """Train all `runs`, print the path of each model, and at the end say how they compare.

    Raises:
        NsfaceError: `out`, the folder for all, is a run folder itself; or as `train_seeds`.
    """
    from nsface.run_folder import RunFolder
    from nsface.training.series import train_seeds
    from nsface.training.trainer import Diverged

    if out is not None and RunFolder(out).is_run():
        raise NsfaceError(
            f"{shown(out)} is the folder of one run; with --seeds, --out is a folder for one run a seed"
        )
    folders = [folder for _, folder in runs]
    try:
        train_seeds(
            runs,
            resume=resume,
            changed=changed,
            ranks=ranks,
            note=say,
            command=command_line(),
            made=click.echo,
        )
    except Diverged:
        if ranks.count == 1:
            compare(folders)
        raise
    if ranks.first:
        compare(folders)


def compare(folders: list[Path]) -> None:
    """The table of `nsface runs` for these runs, on standard error."""
    from nsface.report.run_table import read_run_table

    for line in read_run_table(folders, say).table(terminal_width()).split("\n"):
        say(line)
