"""What results are made of: numbers within bounds, and dataclasses that are written as JSON and read back.

A field made by `left_out` is not written where it is None; every other key is always there.
"""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from typing import Annotated, Any, TypeVar, cast

from pydantic import Field, TypeAdapter, ValidationError

from nsface.errors import DataError, shown
from nsface.untrusted import first_fault

Number = Annotated[float, Field(ge=-1e12, le=1e12)]  # neither infinite nor NaN
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=10**15)]
MeanCount = Annotated[float, Field(ge=0, le=1e15)] | Count  # a count, or its mean over trials
Interval = tuple[Number, Number]

SIGNIFICANT = 9  # digits of a number in JSON; no rate here rests on more than 10^9 comparisons
DEEPEST = 20  # levels of JSON that are read; the deepest of ours has 6

T = TypeVar("T")


def left_out() -> Any:
    """A field that is None by default, and then has no key in JSON."""
    return dataclasses.field(default=None, metadata={"left_out": True})


def exact(**options: Any) -> Any:
    """A field whose number is written with all its digits: a threshold, which decides ties."""
    return dataclasses.field(metadata={"exact": True}, **options)


def to_json(value: Any) -> dict[str, Any]:
    """`value` as a JSON object: the keys that its class calls `first_keys`, then all in order."""
    content: dict[str, Any] = dict.fromkeys(getattr(value, "first_keys", ()))
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        if field.metadata.get("hidden"):
            continue
        if field.metadata.get("beside"):
            content |= inner
        elif inner is not None or not field.metadata.get("left_out"):
            content[field.name] = inner if field.metadata.get("exact") else plain(inner)
    return content


def plain(value: Any) -> Any:
    """`value` in what JSON has, floats rounded."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_json(value)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [plain(inner) for inner in value]
    return rounded(value) if isinstance(value, float) else value


def rounded(value: float) -> float:
    """`value` to as many digits as it can mean something.

    Example:
        >>> rounded(0.1 + 0.2)
        0.3
    """
    return float(f"{value:.{SIGNIFICANT}g}")


def from_json(cls: type[T], content: Any, where: str, remedy: str) -> T:
    """The `cls`, a dataclass or a pydantic model, that `content`, a JSON object, describes.

    Keys that `cls` does not know are passed over.

    Raises:
        DataError: it describes none; the message says `where`, what is wrong, and the `remedy`.
    """
    if not isinstance(content, dict):
        raise DataError(f"{shown(where)}: not a JSON object; {remedy}")
    if _is_deeper_than(content, DEEPEST):
        raise DataError(f"{shown(where)}: nested deeper than {DEEPEST} levels; {remedy}")
    # As text, because strictly a Python list is no tuple, while an array of JSON is.
    text = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    try:
        read: T = _reader(cast(Any, cls)).validate_json(text, strict=True)
    except ValidationError as error:
        place, problem = first_fault(error)
        why = f"'{place}': {problem}" if place else problem
        raise DataError(f"{shown(where)}: {why}; {remedy}") from error
    return read


@cache
def _reader(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


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
