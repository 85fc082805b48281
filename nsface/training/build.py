"""From the words of a recipe to networks and heads, with the recipe's own places in the errors."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import nn

from nsface import networks
from nsface.errors import ModelError, RecipeError
from nsface.heads import HEADS, Head
from nsface.recipe import Recipe


def build_network(recipe: Recipe) -> nn.Module:
    """The network that `recipe` names, with fresh weights from torch's global generator.

    Raises:
        RecipeError: an unknown name or argument, or one out of its range.
    """
    choice = recipe.network
    if choice.name in networks.NETWORKS:
        _check_arguments("network", choice.name, networks.NETWORKS[choice.name], choice.arguments)
    try:
        return networks.build(
            choice.name,
            height=recipe.input.height,
            width=recipe.input.width,
            embedding_size=choice.embedding_size,
            **choice.arguments,
        )
    except (ModelError, ValueError) as error:
        raise RecipeError(f"network: {error}") from error


def build_head(recipe: Recipe, identities: int) -> Head:
    """The head that `recipe` names for `identities` classes, with fresh weights from the global generator.

    Raises:
        RecipeError: an unknown name or argument, or one out of its range.
    """
    name, arguments = recipe.head.name, recipe.head.arguments
    if name not in HEADS:
        raise RecipeError(f"head.name: unknown head '{name}'{_near(name, HEADS)}")
    _check_arguments("head", name, HEADS[name], arguments)
    try:
        return HEADS[name](recipe.network.embedding_size, identities, **arguments)
    except ValueError as error:
        raise RecipeError(f"head: {error}") from error


def _check_arguments(section: str, name: str, factory: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Refuse arguments that `factory` does not have, and values of another type than it states."""
    parameters = inspect.signature(factory).parameters
    hints = typing.get_type_hints(_constructor(factory))
    own = [
        parameter.name
        for parameter in parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.name not in _GIVEN_ELSEWHERE
    ]
    for key, value in given.items():
        if key not in own:
            raise RecipeError(f"{section}.{key}: {name} has no such argument{_near(key, own)}")
        try:
            TypeAdapter(hints[key], config=ConfigDict(strict=True)).validate_python(value)
        except ValidationError as error:
            message = error.errors()[0]["msg"]
            raise RecipeError(
                f"{section}.{key}: {message[0].lower()}{message[1:]} (got {value!r})"
            ) from error


_GIVEN_ELSEWHERE = {
    "height",
    "width",
    "embedding_size",
}  # by the recipe's `input` and `network.embedding_size`


def _constructor(factory: Callable[..., Any]) -> Callable[..., Any]:
    target = getattr(factory, "func", factory)  # a functools.partial wraps the class
    return target.__init__ if inspect.isclass(target) else target


def _near(word: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; it is one of: {', '.join(known)}" if known else "; it takes none"
