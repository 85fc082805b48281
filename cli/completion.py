"""What the shell can complete besides commands and options: recipes, heads, networks and keys of recipes."""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem


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


def _fitting(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
