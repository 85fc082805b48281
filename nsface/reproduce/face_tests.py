"""The figures of the table on faces, and tests of their differences from the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from nsface.metrics.statistics import holm
from nsface.reproduce.arms import BASELINE
from nsface.reproduce.face_table import ENSEMBLES
from nsface.results import BlufrRates, Difference, Figure, Result, Verification
from nsface.results.official import HEADLINES

ENSEMBLES_BY_NAME = {one.name: one for one in ENSEMBLES}


@dataclass(frozen=True)
class Row:
    """A figure of a protocol.

    Attributes:
        title: of the lists.
        figure: its name.
        tested: whether arms are tested by it: it is one that papers compare.
    """

    title: str
    figure: str
    tested: bool

    @property
    def label(self) -> str:
        """The title, and the figure where it is not accuracy."""
        return self.title if self.figure == "accuracy" else f"{self.title}, {self.figure}"


@dataclass(frozen=True)
class Tested:
    """A figure of a system less that of the baseline.

    Attributes:
        seed: of both, for a test over pairs or probes; None for a test over seeds.
        found: the difference, with the test.
        p_holm: its p, corrected for all tests of its family; None where there is none.
    """

    system: str
    row: Row
    seed: int | None
    found: Difference
    p_holm: float | None = None

    def to_json(self) -> dict[str, Any]:
        where = {
            "system": self.system,
            "against": BASELINE,
            "list": self.row.title,
            "figure": self.row.figure,
        }
        return (
            where
            | ({} if self.seed is None else {"seed": self.seed})
            | {
                "test": self.found.test,
                "values": self.found.values,
                "difference": self.found.difference,
                "interval": self.found.interval,
                "p": self.found.p,
                "p_holm": self.p_holm,
            }
        )


def figures_of(result: Result) -> list[tuple[str, bool]]:
    """The names of the figures that a table has of `result`, and whether arms are tested by them."""
    if isinstance(result, Verification):
        return [("accuracy", True)]
    if isinstance(result, BlufrRates):  # mean − std is its custom
        names = [one.name for one in result.figures()]
        return [(name, True) for name in names] + [(f"{name}, mean − std", False) for name in names]
    return [(one.name, one.name in HEADLINES) for one in result.figures()]


def value_of(result: Result, figure: str) -> float | None:
    """The value of one of `figures_of` in `result`; None where there is none."""
    if isinstance(result, Verification):
        return result.accuracy
    name, _, _ = figure.partition(", mean − std")
    found: Figure | None = next((one for one in result.figures() if one.name == name), None)
    if found is None or found.value is None or not figure.endswith("mean − std"):
        return found.value if found else None
    return None if found.spread is None else found.value - found.spread


def corrected(tests: Sequence[Tested]) -> list[Tested]:
    """`tests` with their p corrected by Holm's method: networks are one family, and ensembles another."""
    made = dict(enumerate(tests))
    for ensembles in (False, True):
        family = {
            place: one.found.p
            for place, one in enumerate(tests)
            if one.found.p is not None and (one.system in ENSEMBLES_BY_NAME) == ensembles
        }
        for place, p in zip(family, holm(list(family.values())), strict=True):
            made[place] = replace(made[place], p_holm=p)
    return list(made.values())
