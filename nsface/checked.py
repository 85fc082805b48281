"""JSON objects that others may have written, checked as a whole before any of it is drawn."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from nsface.errors import DataError, shown
from nsface.untrusted import first_fault

DEEPEST = 20  # levels of JSON; the deepest of ours has 6


def checked(model: type[BaseModel], content: Any, where: str, remedy: str) -> dict[str, Any]:
    """`content`, a JSON object that `model` describes, as it is.

    Raises:
        DataError: it is another thing; the message says what, `where`, and the `remedy`.
    """
    if not isinstance(content, dict):
        raise DataError(f"{shown(where)}: not a JSON object; {remedy}")
    if _deeper_than(content, DEEPEST):
        raise DataError(f"{shown(where)}: nested deeper than {DEEPEST} levels; {remedy}")
    try:
        model.model_validate(content)
    except ValidationError as error:
        place, problem = first_fault(error)
        why = f"'{place}': {problem}" if place else problem
        raise DataError(f"{shown(where)}: {why}; {remedy}") from error
    return content


def _deeper_than(content: Any, most: int) -> bool:
    """Whether dictionaries and lists in `content` are nested more than `most` levels deep."""
    level = [content]
    for _ in range(most):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return bool(level)
