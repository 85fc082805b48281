"""JSON objects that others may have written, checked as a whole before any of it is used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from nsface.errors import DataError, shown
from nsface.untrusted import first_fault

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=10**15)]

DEEPEST = 20  # levels of JSON that are read; the deepest of ours has 6

T = TypeVar("T")


def from_json(cls: type[T], content: Any, where: str, remedy: str) -> T:
    """The `cls`, a dataclass or a pydantic model, that `content`, a JSON object, describes.

    Keys that `cls` does not know are passed over.

    Raises:
        DataError: it describes none; the message says `where`, what is wrong, and the `remedy`.
    """
    _check_object(content, where, remedy)
    # As text, because strictly a Python list is no tuple, while an array of JSON is.
    text = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    with _faults_reported(where, remedy):
        read: T = _reader(cast(Any, cls)).validate_json(text, strict=True)
    return read


def checked(model: type[BaseModel], content: Any, where: str, remedy: str) -> dict[str, Any]:
    """`content` as it is, with all its keys, once `model` has found that it describes it.

    Raises:
        DataError: as `from_json`.
    """
    _check_object(content, where, remedy)
    with _faults_reported(where, remedy):
        model.model_validate(content)
    return cast(dict[str, Any], content)


@cache
def _reader(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _check_object(content: Any, where: str, remedy: str) -> None:
    if not isinstance(content, dict):
        raise DataError(f"{shown(where)}: not a JSON object; {remedy}")
    if _is_deeper_than(content, DEEPEST):
        raise DataError(f"{shown(where)}: nested deeper than {DEEPEST} levels; {remedy}")


@contextmanager
def _faults_reported(where: str, remedy: str) -> Iterator[None]:
    """Turn the first fault that pydantic finds into a DataError."""
    try:
        yield
    except ValidationError as error:
        place, problem = first_fault(error)
        why = f"'{place}': {problem}" if place else problem
        raise DataError(f"{shown(where)}: {why}; {remedy}") from error


def _is_deeper_than(content: Any, most: int) -> bool:
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
