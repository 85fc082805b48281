"""`nsface recipes`."""

from __future__ import annotations

import click

from nsface.cli.completion import complete_recipe


@click.command(name="recipes")
@click.argument("recipe", metavar="[RECIPE]", required=False, shell_complete=complete_recipe)
@click.option("--resolved", is_flag=True, help="Print RECIPE with its bases and with every default.")
def command(recipe: str | None, resolved: bool) -> None:
    """List the recipes that come with nsface, which `nsface train` takes by name, or print RECIPE.

    RECIPE is the name of one of them, or a YAML file of your own.

    \b
    Examples:
      nsface recipes
      nsface recipes lfw-small > mine.yaml
      nsface recipes casia-arcface --resolved
    """
    from nsface.recipe.names import recipe_text, shipped, summary

    if recipe is None:
        if resolved:
            raise click.UsageError("--resolved goes with a RECIPE")
        known = shipped()
        width = max(map(len, known))
        for name, text in known.items():
            click.echo(f"{name:{width}}  {summary(text)}")
    elif resolved:
        from nsface.cli.output import say
        from nsface.recipe.schema import load_recipe

        click.echo(load_recipe(recipe, note=say).to_yaml(), nl=False)
    else:
        click.echo(recipe_text(recipe)[0], nl=False)
