"""Protocols as functions: the fields of a protocol's class become the arguments of a function."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, Concatenate, ParamSpec, TypeVar

from nsface.arguments import unknown_name
from nsface.protocols import load_protocol
from nsface.protocols.protocol import OptionsError, Protocol

E = TypeVar("E")
P = ParamSpec("P")
Q = TypeVar("Q", bound=Protocol[Any, Any])
R = TypeVar("R")


def with_options_of(
    cls: Callable[P, Q],
) -> Callable[[Callable[[E, Q], R]], Callable[Concatenate[E, P], R]]:
    """Give a function of embeddings and a protocol the arguments of that protocol's class in its place.

    Args:
        cls: the class of the protocol.

    Example:
        >>> @with_options_of(Lfw)  # doctest: +SKIP
        ... def lfw(embeddings: Embeddings, protocol: Lfw) -> Verification: ...
        >>> lfw(embeddings, "pairs.txt", pca=128)  # doctest: +SKIP
    """

    def decorate(function: Callable[[E, Q], R]) -> Callable[Concatenate[E, P], R]:
        def evaluation(embeddings: E, /, *args: P.args, **options: P.kwargs) -> R:
            return function(embeddings, cls(*args, **options))

        given = Parameter("embeddings", Parameter.POSITIONAL_ONLY, annotation="AnyEmbeddings")
        own, returned = inspect.signature(cls).parameters.values(), function.__annotations__["return"]
        vars(evaluation)["__signature__"] = Signature([given, *own], return_annotation=returned)
        evaluation.__name__ = evaluation.__qualname__ = function.__name__
        evaluation.__module__ = function.__module__
        evaluation.__doc__ = f"{inspect.getdoc(function)}\n\n{_arguments(cls)}"
        return evaluation

    return decorate


def _arguments(cls: Any) -> str:
    """The section "Args" of a docstring, from the fields of a protocol: own ones first."""
    own = sorted(dataclasses.fields(cls), key=lambda field: field.name not in cls.__annotations__)
    lines = [f"    {field.name}: {field.metadata['help']}" for field in own]
    given = "    embeddings: an `Embeddings`, the path of an embeddings file, or `(names, vectors)`."
    return "\n".join(["Args:", given, *lines])


def protocol_called(name: str, options: dict[str, Any]) -> Protocol[Any, Any]:
    """The protocol called `name` with its `options`, as `nsface.evaluate` takes them.

    Raises:
        NsfaceError: there is no such protocol.
        OptionsError: it has no such option, or one is missing.
    """
    cls = load_protocol(name)
    known = inspect.signature(cls).parameters
    if unknown := sorted(options.keys() - known.keys()):
        raise OptionsError(unknown_name(f"option of {name}", unknown[0], known))
    missing = [option for option, one in known.items() if one.default is one.empty and option not in options]
    if missing:
        raise OptionsError(f"{name} needs '{missing[0]}'; see help(nsface.evaluate.{name})")
    return cls(**options)
