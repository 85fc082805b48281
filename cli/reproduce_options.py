"""The options that all tables of `nsface reproduce` have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from nsface.cli.completion import complete_key
from nsface.cli.output import json_option
from nsface.cli.seeds import parsed_seeds


def _parsed_arms(context: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(","))


_OPTIONS = (
    click.option(
        "--out", metavar="DIR", required=True, type=click.Path(path_type=Path), help="Folder of all runs."
    ),
    click.option(
        "--seeds", metavar="LIST", callback=parsed_seeds, help="Train with these seeds: 0-4, or 0,3,7."
    ),
    click.option(
        "--arms", metavar="NAMES", callback=_parsed_arms, help="Train these arms, with commas between them."
    ),
    click.option(
        "--jobs",
        metavar="N",
        type=click.IntRange(1, 256),
        help="Trainings at once.  [default: one for each core, at most four; with CUDA four]",
    ),
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where to train."),
    click.option(
        "--precision", type=click.Choice(["auto", "fp32", "tf32", "bf16"]), help="Arithmetic of the network."
    ),
    click.option(
        "--set",
        "settings",
        metavar="KEY=VALUE",
        multiple=True,
        shell_complete=complete_key,
        help="Change any key of the recipe, for all arms.",
    ),
    json_option,
)


def chosen(options: Mapping[str, str | None], settings: Sequence[str]) -> dict[str, Any]:
    """The recipe's values that are given, by options and by --set.

    Raises:
        UsageError: a key is given by both.
    """
    from nsface.recipe.text import parse_setting

    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    for key, value in map(parse_setting, settings):
        if key in options and key in given:
            raise click.UsageError(f"--set {key}: it has an option of its own, which is given too")
        given[key] = value
    return given


def table_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --out, --seeds, --arms, --jobs, --device, --precision, --set and --json."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
