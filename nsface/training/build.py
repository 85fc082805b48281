"""Heads and auxiliary losses from the names and arguments in a recipe."""

from __future__ import annotations

import torch
from torch import nn

from nsface.auxiliary import AUXILIARY
from nsface.errors import RecipeError
from nsface.heads import HEADS, Head
from nsface.heads.shard import Shard
from nsface.ranks import ALONE, Ranks
from nsface.recipe.schema import Recipe


def build_head(recipe: Recipe, identities: int, ranks: Ranks = ALONE) -> Head:
    """The head that `recipe` names, for `identities` classes, with fresh weights.

    Where there are several ranks, each has the weights of its part of the identities.

    Raises:
        RecipeError: the head cannot be divided among the ranks.
    """
    head = HEADS[recipe.head.name](recipe.network.embedding_size, identities, **recipe.head.arguments)
    head.factors = torch.bfloat16 if recipe.classifier_precision == "bf16" else None
    if ranks.count > 1:
        try:
            head.divide(Shard(identities, ranks.rank, ranks.count))
        except ValueError as error:
            raise RecipeError(f"head: {error}") from error
    return head


def build_auxiliary(recipe: Recipe, identities: int) -> nn.ModuleDict:
    """The auxiliary losses that `recipe` names, by name, in the order of the recipe."""
    size = recipe.network.embedding_size
    return nn.ModuleDict(
        {
            choice.name: AUXILIARY[choice.name](size, identities, **choice.arguments)
            for choice in recipe.auxiliary
        }
    )
