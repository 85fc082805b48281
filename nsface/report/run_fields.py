"""The columns of the table of runs, and sorting by one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nsface.errors import RecipeError, listing, shown
from nsface.report.listed import FINISHED, ORIGIN, Listed, differing_keys, differs
from nsface.report.scores import Column
from nsface.report.systems import value_of
from nsface.report.tables import DASH, percent

LONGEST = 24  # characters of a value of the recipe in the table


@dataclass(frozen=True)
class Field:
    """A column of the table of runs.

    Attributes:
        title: also what to sort by.
        values: of each run; None where it has none.
        texts: the same as they stand in the table.
        highest_first: how runs are sorted by it.
        hidden: whether it is there to sort by alone.
    """

    title: str
    values: Sequence[Any]
    texts: Sequence[str] = ()
    highest_first: bool = False
    hidden: bool = False


def fields(runs: Sequence[Listed], scores: Sequence[Column]) -> list[Field]:
    """The columns for `runs`: what differs in their recipes, the state of each, scores, time, and origin."""
    states = [one.state for one in runs]
    logged = {key: [one.last(key) for one in runs] for key in ("loss", "accuracy")}
    found = [
        Field(key, values, [short(value) for value in values])
        for key, values in differing_keys([one.run.recipe for one in runs]).items()
    ]
    found += [
        Field("steps", [one.step for one in runs], [one.steps for one in runs]),
        Field("state", states, states, hidden=set(states) == {FINISHED}),
        Field("loss", logged["loss"], [DASH if loss is None else f"{loss:.4g}" for loss in logged["loss"]]),
        Field("accuracy", logged["accuracy"], list(map(percent, logged["accuracy"])), highest_first=True),
    ]
    for column in scores:
        values = [value_of(one.run.results.get(column.key), column.figure) for one in runs]
        found.append(Field(column.title, values, list(map(percent, values)), column.highest_first))
    seconds = [one.run.environment.get("seconds") or None for one in runs]
    speeds = [one.images_per_second for one in runs]
    found += [
        Field("time", seconds, list(map(duration, seconds)), hidden=not any(seconds)),
        Field("images/s", speeds, [DASH if v is None else f"{v:,.0f}" for v in speeds], highest_first=True),
        Field("started", [one.run.environment.get("started") for one in runs], hidden=True),
    ]
    for title, key in ORIGIN.items():
        origin = [one.origin.get(key) for one in runs]
        found.append(Field(title, origin, list(map(short, origin)), hidden=not differs(origin)))
    return found


def sorted_by(title: str | None, runs: list[Listed], scores: Sequence[Column]) -> list[Listed]:
    """`runs` sorted by the column `title`, scores and speeds with the highest first, errors and all else with
    the lowest; those without it last.

    Raises:
        RecipeError: no such column.
    """
    if title is None:
        return runs
    known = fields(runs, scores)
    field = next((one for one in known if one.title.lower() == title.lower()), None)
    if field is None:
        titles = listing([one.title for one in known], 100)
        raise RecipeError(f"--sort {title}: no such column; there are {titles}")
    sign = -1 if field.highest_first else 1

    def place(row: int) -> tuple[int, float, str]:
        value = field.values[row]
        if isinstance(value, int | float):
            return 0, sign * value, ""
        return (2, 0, "") if value is None else (1, 0, str(value))

    return [runs[row] for row in sorted(range(len(runs)), key=place)]


def short(value: Any) -> str:
    """A value of a recipe as YAML writes it, in at most `LONGEST` characters; of a path the end."""
    if value is None:
        return DASH
    text = shown(str(value).lower() if isinstance(value, bool) else value)
    if len(text) <= LONGEST:
        return text
    return "…" + text[1 - LONGEST :] if "/" in text else text[: LONGEST - 1] + "…"


def duration(seconds: float | None) -> str:
    """`45 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return DASH
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
