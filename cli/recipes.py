"""`nsface recipes`."""

from __future__ import annotations

import click

from nsface.arguments import near
from nsface.cli.completion import complete_recipe
from nsface.errors import RecipeError, shown


@click.command(name="recipes")
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_recipe)
def command(name: str | None) -> None:
    """List the recipes that come with nsface, which `nsface train` takes by name, or print one.

    \b
    Examples:
      nsface recipes
      nsface recipes lfw-small > mine.yaml
    """
    from nsface.recipe.names import shipped, summary

    known = shipped()
    if name is None:
        width = max(map(len, known))
        for one, text in known.items():
            click.echo(f"{one:{width}}  {summary(text)}")
    elif name in known:
        click.echo(known[name], nl=False)
    else:
        raise RecipeError(f"no recipe is called {shown(name)}{near(name, known)}")
