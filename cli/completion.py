"""What the shell can complete besides commands and options: recipes, heads, networks, keys of recipes, and
the columns and groups of runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from nsface.errors import NsfaceError

if TYPE_CHECKING:
    from nsface.report.run_table import RunTable


def complete_recipe(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of recipes, and files: these first, as click's script for bash drops what is before them."""
    from nsface.recipe.names import shipped, summary

    fitting = [name for name in shipped() if name.startswith(incomplete)]
    return [CompletionItem(incomplete, type="file")] + [
        CompletionItem(name, help=summary(shipped()[name])) for name in fitting
    ]


def complete_head(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from nsface.heads import HEADS

    return _fitting(HEADS, incomplete)


def complete_network(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from nsface.networks import NETWORKS

    return _fitting(NETWORKS, incomplete)


def complete_key(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Keys of a recipe, with the `=` that follows; arguments of the head that `--head` gives."""
    from nsface.recipe.schema import recipe_keys

    return _fitting((f"{key}=" for key in recipe_keys(ctx.params.get("head"))), incomplete)


def complete_column(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Columns of the runs in the folders that were given."""
    from nsface.report.run_fields import fields

    table = _listed(ctx)
    return _fitting((field.title for field in fields(table.runs, table.scores)) if table else (), incomplete)


def complete_group(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Groups of the runs in the folders that were given."""
    table = _listed(ctx)
    return _fitting((group.name for group in table.groups) if table else (), incomplete)


def _listed(ctx: click.Context) -> RunTable | None:
    """The runs in the folders that were given; None where there are none, or where they cannot be read."""
    from nsface.report.run_search import find_run_folders
    from nsface.report.run_table import read_run_table

    # click leaves arguments here where the value of the option after them is still to come
    folders = ctx.params.get("folders") or [Path(word) for word in ctx.args]
    try:
        return read_run_table(find_run_folders(folders).runs, lambda _: None)
    except NsfaceError:
        return None


def _fitting(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
