"""What results are made of: numbers within bounds, and dataclasses that are written as JSON and read back.

A field made by `left_out` is not written where it is None; every other key is always there.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from pydantic import Field

from nsface.checked import Count

Number = Annotated[float, Field(ge=-1e12, le=1e12)]  # neither infinite nor NaN
MeanCount = Annotated[float, Field(ge=0, le=1e15)] | Count  # a count, or its mean over trials
Interval = tuple[Number, Number]

SIGNIFICANT = 9  # digits of a number in JSON; no rate here rests on more than 10^9 comparisons


def left_out() -> Any:
    """A field that is None by default, and then has no key in JSON."""
    return dataclasses.field(default=None, metadata={"left_out": True})


def exact(**options: Any) -> Any:
    """A field whose number is written with all its digits: a threshold, which decides ties."""
    return dataclasses.field(metadata={"exact": True}, **options)


def to_json(value: Any) -> dict[str, Any]:
    """`value` as a JSON object: the keys that its class calls `first_keys`, then all in order.

    `derived` of a class names properties that are written too, each after the field that it is made from.
    """
    content: dict[str, Any] = dict.fromkeys(getattr(value, "first_keys", ()))
    derived = getattr(value, "derived", {})
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        if field.metadata.get("hidden"):
            continue
        if field.metadata.get("beside"):
            content |= inner
        elif inner is not None or not field.metadata.get("left_out"):
            content[field.name] = inner if field.metadata.get("exact") else plain(inner)
        if field.name in derived:
            content[derived[field.name]] = plain(getattr(value, derived[field.name]))
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
