"""`nsface recipes`."""

from __future__ import annotations

import click

from nsface.cli.completion import complete_recipe


@click.command(name="recipes")
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_recipe)
def command(name: str | None) -> None:
    """List the recipes that come with nsface, which `nsface train` takes by name, or print one.

    \b
    Examples:
      nsface recipes
      nsface recipes lfw-small > mine.yaml
    """
    from nsface.recipe.names import shipped, shipped_text, summary

    if name is not None:
        click.echo(shipped_text(name), nl=False)
        return
    known = shipped()
    width = max(map(len, known))
    for one, text in known.items():
        click.echo(f"{one:{width}}  {summary(text)}")
