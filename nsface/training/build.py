"""From the words of a recipe to networks, heads and auxiliary losses, with the recipe's places in errors."""

from __future__ import annotations

from torch import nn

from nsface import networks
from nsface.arguments import ArgumentError, check_arguments, near
from nsface.auxiliary import AUXILIARY
from nsface.errors import ModelError, RecipeError
from nsface.heads import HEADS, Head
from nsface.recipe import Recipe


def build_network(recipe: Recipe) -> nn.Module:
    """The network that `recipe` names, with fresh weights from torch's global generator.

    Raises:
        RecipeError: an unknown name or argument, or one out of its range.
    """
    choice = recipe.network
    try:
        return networks.build(
            choice.name,
            height=recipe.input.height,
            width=recipe.input.width,
            embedding_size=choice.embedding_size,
            **choice.arguments,
        )
    except ArgumentError as error:
        raise RecipeError(f"network.{error}") from error
    except (ModelError, ValueError) as error:
        raise RecipeError(f"network: {error}") from error


def build_head(recipe: Recipe, identities: int) -> Head:
    """The head that `recipe` names for `identities` classes, with fresh weights from the global generator.

    Raises:
        RecipeError: an unknown name or argument, or one out of its range.
    """
    name, arguments = recipe.head.name, recipe.head.arguments
    if name not in HEADS:
        raise RecipeError(f"head.name: unknown head '{name}'{near(name, HEADS)}")
    try:
        check_arguments(name, HEADS[name], arguments)
        return HEADS[name](recipe.network.embedding_size, identities, **arguments)
    except ArgumentError as error:
        raise RecipeError(f"head.{error}") from error
    except ValueError as error:
        raise RecipeError(f"head: {error}") from error


def build_auxiliary(recipe: Recipe, identities: int) -> nn.ModuleDict:
    """The auxiliary losses that `recipe` names (and has checked), by name, in its order."""
    size = recipe.network.embedding_size
    return nn.ModuleDict(
        {
            choice.name: AUXILIARY[choice.name](size, identities, **choice.arguments)
            for choice in recipe.auxiliary
        }
    )
