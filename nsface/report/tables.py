"""What stands in the cells of the report's tables: figures in per cent, with their spread and interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nsface.report.systems import System
from nsface.results import Figure, OtherResult, Result, TemplateVerification, Verification

DASH = "–"


@dataclass(frozen=True)
class Cell:
    """A figure as text.

    Attributes:
        value: per cent; a dash where there is none.
        spread: with `±`, or ''.
        interval: its 95 % interval, or ''.
        marked: whether it was measured on other than the official list.
    """

    value: str
    spread: str = ""
    interval: str = ""
    marked: bool = False


EMPTY = Cell(DASH)


@dataclass(frozen=True)
class Table:
    """Rows of cells below titles; a row begins with the name of a system or run, and a note to it."""

    titles: list[str]
    rows: list[tuple[str, str, list[Cell]]]

    @property
    def has_intervals(self) -> bool:
        """Whether any cell has one."""
        return any(cell.interval for _, _, cells in self.rows for cell in cells)


def percent(share: float | None, digits: int = 2) -> str:
    """A fraction in per cent, without the sign; a dash where there is none."""
    if share is None:
        return DASH
    return f"{round(100 * share, digits) + 0.0:.{digits}f}".replace("-", "−")  # never −0.00


def ends(interval: Sequence[float] | None, digits: int = 2) -> str:
    """`(0.9, 1.0)` → `90.00 – 100.00`, with `to` where an end is negative; '' where there is none."""
    if interval is None:
        return ""
    low, high = (percent(end, digits) for end in interval)
    return f"{low} to {high}" if low.startswith("−") else f"{low} – {high}"


def p_value(p: float | None) -> str:
    """A p value with two digits; `< 0.001` below that."""
    if p is None:
        return DASH
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def all_figures(result: Result) -> list[Figure]:
    """Everything measured in `result` that is a rate, a column each in the table of its protocol."""
    if isinstance(result, Verification):
        accuracy = [Figure("accuracy", one.value, one.spread, one.interval) for one in result.figures()]
        areas = [Figure("AUC", result.auc), Figure("EER", result.eer)]
        tar = [Figure(point.name, point.tar, None, point.identity_interval) for point in result.tar_at_far]
        return [*accuracy, *areas, *tar]
    if isinstance(result, TemplateVerification):
        return [*result.figures(), Figure("AUC", result.auc), Figure("EER", result.eer)]
    return result.figures()


def protocol_table(systems: Sequence[System], key: str) -> Table:
    """The figures in files called `key`, a row a system; several seeds have their mean."""
    return _table([(one.name, one.seeds, one.results(key)) for one in systems])


def single_runs_table(systems: Sequence[System], key: str) -> Table:
    """The same for each run of the systems that have several."""
    runs = [run for system in systems if len(system.runs) > 1 for run in system.runs]
    return _table([(run.name, "", [run.results[key]]) for run in runs if key in run.results])


def _table(rows: Sequence[tuple[str, str, Sequence[Result]]]) -> Table:
    """A table with a column for each figure that any row has a value of."""
    found = []
    for name, note, results in rows:
        figures: dict[str, list[Figure]] = {}
        for result in results:
            for figure in all_figures(result):
                if figure.value is not None:
                    figures.setdefault(figure.name, []).append(figure)
        if figures:
            found.append((name, note, figures))
    titles = list(dict.fromkeys(title for _, _, figures in found for title in figures))
    return Table(
        titles,
        [(name, note, [cell_of(row.get(title, ())) for title in titles]) for name, note, row in found],
    )


def cell_of(figures: Sequence[Figure]) -> Cell:
    """A cell for one figure of one run, or of several that differ in the seed."""
    values = [figure.value for figure in figures if figure.value is not None]
    if not values:
        return EMPTY
    first = figures[0]
    digits = 3 if first.name == "AUC" else 2
    marked = not all(figure.official for figure in figures)
    if len(values) == 1:
        spread = f"± {percent(first.spread, digits)}" if first.spread is not None else ""
        return Cell(percent(values[0], digits), spread, ends(first.interval, digits), marked)
    deviation = float(np.std(values, ddof=1))
    return Cell(percent(float(np.mean(values)), digits), f"± {percent(deviation, digits)}", "", marked)


def what_spread_is(systems: Sequence[System], key: str) -> str:
    """What ± means in the table of the files called `key`; '' where no cell has it."""
    several = any(len(system.results(key)) > 1 for system in systems)
    results = [system.results(key)[0] for system in systems if len(system.results(key)) == 1]
    spreads = [
        result.spread_is for result in results if any(one.spread is not None for one in all_figures(result))
    ]
    kinds = list(dict.fromkeys(kind for kind in spreads if kind))
    if several:
        kinds.append("the standard deviation over seeds" + (", where there are several" if kinds else ""))
    return " or ".join(kinds)


def plain_values(systems: Sequence[System], key: str) -> tuple[list[str], list[dict[str, object]]]:
    """Names of runs whose file `key` holds a result that nsface did not make, and its values."""
    found = [(run.name, run.results[key]) for one in systems for run in one.runs if key in run.results]
    others = [(name, result) for name, result in found if isinstance(result, OtherResult)]
    return [name for name, _ in others], [dict(result.to_json()) for _, result in others]
