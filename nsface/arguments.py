"""What a user gives by name: unknown names and arguments are refused, and values of another type."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from nsface.errors import NsfaceError, shown


class ArgumentError(NsfaceError, ValueError):
    """A wrong argument; the message starts with its name."""


def check_arguments(
    name: str,
    factory: Callable[..., Any],
    given: Mapping[str, Any],
    settled: Collection[str] = (),
    common: Mapping[str, type] | None = None,
) -> None:
    """Refuse arguments in `given` that `factory`, called `name`, does not have, and values of a wrong type.

    A user's arguments are the keyword-only ones of `factory`, without those in `settled` and without those
    that a `functools.partial` has settled. A class says in `former_arguments` what has taken the place of one
    that it once had. The `common` ones, with their types, are taken besides by whoever calls `factory`.

    Raises:
        ArgumentError: the first wrong argument, and what could stand there.
    """
    target = factory.func if isinstance(factory, partial) else factory
    hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target) | dict(common or {})
    own = [*own_arguments(factory, settled), *(common or {})]
    for key, value in given.items():
        if key in (former := getattr(target, "former_arguments", {})):
            raise ArgumentError(f"{key}: {former[key]}")
        if key not in own:
            raise ArgumentError(f"{key}: {name} has no such argument{known_names(key, own)}")
        try:
            TypeAdapter(hints[key], config=ConfigDict(strict=True)).validate_python(value)
        except ValidationError as error:
            message = error.errors()[0]["msg"]
            raise ArgumentError(f"{key}: {message[0].lower()}{message[1:]} (got {value!r})") from error


def own_arguments(factory: Callable[..., Any], settled: Collection[str] = ()) -> list[str]:
    """Names of the arguments of `factory` that are a user's, as `check_arguments` has them."""
    if isinstance(factory, partial):
        settled = {*settled, *factory.keywords}
    parameters = inspect.signature(factory).parameters.values()
    return [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY and p.name not in settled]


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """The message about a `name` that is not among the `known` ones of a registry.

    Example:
        >>> unknown_name("loss", "tripet", ["center", "triplet"])
        "no loss is called 'tripet' (did you mean 'triplet'?); there are: center, triplet"
    """
    return f"no {kind} is called '{shown(name)}'{known_names(name, known)}"


def known_names(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown `name`: the most similar `known` one, and all of them."""
    known = list(known)
    if not known:
        return "; there are none"
    similar = difflib.get_close_matches(name, known, n=1)
    suggestion = f" (did you mean '{similar[0]}'?)" if similar else ""
    return f"{suggestion}; there are: {', '.join(known)}"
