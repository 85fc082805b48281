"""Faults in a recipe, each with the place it was found at: file and line, or the command line."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel

from nsface.arguments import known_names
from nsface.errors import RecipeError, shown

_COMMAND_LINE = "given on the command line"
BASE = "base"  # the key by which a file names the recipe that it is based on


def key_lines(node: yaml.MappingNode, path: str, prefix: str = "") -> dict[str, int]:
    """Line of each key, by dotted key. A key that stands twice is an error: one of the two would be lost."""
    lines: dict[str, int] = {}
    for key, value in node.value:
        dotted = f"{prefix}{key.value}"
        if dotted in lines:
            here = f"{path}:{key.start_mark.line + 1}: {shown(dotted)}"
            raise RecipeError(f"{here}: stands here and on line {lines[dotted]}; remove one")
        lines[dotted] = key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            lines.update(key_lines(value, path, f"{dotted}."))
        if isinstance(value, yaml.SequenceNode):
            for index, item in enumerate(value.value):
                lines[f"{dotted}.{index}"] = item.start_mark.line + 1
                if isinstance(item, yaml.MappingNode):
                    lines.update(key_lines(item, path, f"{dotted}.{index}."))
    return lines


def problem(
    details: Any, model: type[BaseModel], path: str, places: Mapping[str, str], given: Mapping[str, Any]
) -> str:
    """One line about what pydantic found wrong in the recipe at `path`: where, what, and the value there.

    Args:
        details: one of `ValidationError.errors()`.
        model: the model of the recipe.
        places: file and line of each key; of a recipe with a base they lie in several files.
        given: what the command line gives, by dotted key.
    """
    above = {".".join(path[:n]) for path in (name.split(".") for name in given) for n in range(1, len(path))}
    key = _as_written([str(part) for part in details["loc"]], {*places, *given, *above})
    parts = key.split(".")
    message = details["msg"].removeprefix("Value error, ")
    if not key:
        if _first(message).split(".")[0] not in model.model_fields:  # the fault is that of the whole
            return f"{path}: {message}"
        return f"{_place_of_several(message, path, places, given)}: {message}"
    place = _place(key, path, places, given)
    if details["type"] == "value_error":  # what concerns a key inside begins with its name
        return f"{_place(f'{key}.{_first(message)}', path, places, given)}: {key}: {message}"
    if details["type"] == "extra_forbidden":
        known = keys_beside(parts, model)
        if len(parts) == 1 and key in places:  # of a file, which may have a base
            known = [BASE, *known]
        return f"{place}: {key}: no such key{known_names(parts[-1], known)}"
    if details["type"] == "missing":
        return f"{place}: {key}: missing, and needed"
    return f"{place}: {key}: {message[0].lower()}{message[1:]} (got {brief(details['input'])})"


def _as_written(parts: list[str], written: Set[str]) -> str:
    """The dotted key of `parts`, without the number in a list where one section stands in place of a list."""
    for place, part in enumerate(parts[:-1]):
        if part.isdigit() and ".".join([*parts[:place], parts[place + 1]]) in written:
            return ".".join([*parts[:place], *parts[place + 1 :]])
    return ".".join(parts)


def brief(value: Any) -> str:
    """`value` as Python writes it, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of more digits than Python writes, or a deep list
        return f"a very large {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _place_of_several(message: str, path: str, places: Mapping[str, str], given: Mapping[str, Any]) -> str:
    """Where what concerns several keys is to be mended.

    That is at the key with which the message begins, or, where a base or nobody gives this one, at another
    that it names and that the user gives.
    """
    first, *others = [word.strip(":;,.()") for word in message.split()]
    place = _place(first, path, places, given)
    named = [_place(word, path, places, given) for word in others if word in places or word in given]
    own = [one for one in (place, *named) if one == _COMMAND_LINE or one.startswith(f"{path}:")]
    return own[0] if own else place


def _first(message: str) -> str:
    return message.split()[0].rstrip(":")


def _place(key: str, path: str, places: Mapping[str, str], given: Mapping[str, Any]) -> str:
    """Where the value of `key` comes from: the command line, or a line of a file."""
    parts = key.split(".")
    outwards = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    if any(name in given for name in outwards) or any(name.startswith(f"{key}.") for name in given):
        return _COMMAND_LINE
    return next((places[name] for name in outwards if name in places), path)


def dotted_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """All keys of `model` and its sections, but not the arguments that a name takes."""
    keys = []
    for name, field in model.model_fields.items():
        section = _section(field.annotation)
        keys += [f"{prefix}{name}"] if section is None else dotted_keys(section, f"{prefix}{name}.")
    return keys


def _section(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, or may hold."""
    kinds = (annotation, *get_args(annotation))
    classes = (kind for kind in kinds if isinstance(kind, type) and get_origin(kind) is None)
    return next((kind for kind in classes if issubclass(kind, BaseModel)), None)


def keys_beside(parts: list[str], model: type[BaseModel]) -> list[str]:
    """The keys of the section of `model` that the last of `parts` stands in; none where any may stand."""
    for part in (part for part in parts[:-1] if not part.isdigit()):
        section = _section(model.model_fields[part].annotation) if part in model.model_fields else None
        if section is None:
            return []
        model = section
    return list(model.model_fields)
