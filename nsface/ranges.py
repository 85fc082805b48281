"""Checks of arguments: each returns the value, or raises a ValueError that names the range."""

from __future__ import annotations

import math
from typing import Any, get_args


def at_least(name: str, value: float, low: float) -> float:
    """Return `value`, a finite number ≥ `low`.

    Raises:
        ValueError: it is not.
    """
    if not (math.isfinite(value) and value >= low):
        raise ValueError(f"{name} must be a number ≥ {low:g}, not {value}")
    return value


def above(name: str, value: float, low: float) -> float:
    """Return `value`, a finite number > `low`.

    Raises:
        ValueError: it is not.
    """
    if not (math.isfinite(value) and value > low):
        raise ValueError(f"{name} must be a number > {low:g}, not {value}")
    return value


def between(name: str, value: float, low: float, high: float, *, open_low: bool = False) -> float:
    """Return `value`, a number in [`low`, `high`], or with `open_low` in (`low`, `high`].

    Raises:
        ValueError: it is not.
    """
    if not low <= value <= high or (open_low and value == low):
        raise ValueError(f"{name} must be in {'(' if open_low else '['}{low:g}, {high:g}], not {value}")
    return value


def one_of(name: str, value: str, choices: Any) -> str:
    """Return `value`, one of the `choices`, a Literal type.

    Raises:
        ValueError: it is not.
    """
    if value not in get_args(choices):
        words = ", ".join(repr(choice) for choice in get_args(choices))
        raise ValueError(f"{name} must be one of {words}, not {value!r}")
    return value
