"""The table of scores: for each system the figures that papers compare, and published ones beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nsface.report.published import MEASURED_BY, PUBLISHED, Published
from nsface.report.systems import System, measured_keys
from nsface.report.tables import EMPTY, Cell, Table, cell_of, what_spread_is
from nsface.results import Figure, VerificationSets
from nsface.results.official import HEADLINES, LOWER_IS_BETTER


@dataclass(frozen=True)
class Column:
    """A figure of the results in files of one name."""

    key: str
    figure: str
    title: str

    @property
    def highest_first(self) -> bool:
        """Whether more of it is better."""
        return self.figure not in LOWER_IS_BETTER

    def cell(self, system: System) -> Cell:
        """What `system` reached."""
        figures = [one for result in system.results(self.key) for one in result.figures()]
        return cell_of([one for one in figures if one.name == self.figure])


@dataclass(frozen=True)
class Scores:
    """The table of scores.

    Attributes:
        spread: what ± means, or ''.
        marked: whether some figure was measured on other than the official list.
        published: titles, own rows and published rows of the figures that were measured officially; None
            where there is none.
    """

    table: Table
    spread: str
    marked: bool
    published: tuple[Table, list[Published]] | None


def find_scores(systems: Sequence[System]) -> Scores:
    """The table of scores of `systems`: a column for each headline that any of them has a value of."""
    columns = score_columns(systems)
    rows = [(one.name, one.seeds, [column.cell(one) for column in columns]) for one in systems]
    spreads = dict.fromkeys(what_spread_is(systems, column.key) for column in columns)
    return Scores(
        Table([column.title for column in columns], rows),
        ", or ".join(spread for spread in spreads if spread),
        any(cell.marked for _, _, cells in rows for cell in cells if cell != EMPTY),
        _beside_published(systems, columns),
    )


def score_columns(systems: Sequence[System]) -> list[Column]:
    """A column for each headline with a value, called by its protocol too where the name is not its own."""
    found: dict[tuple[str, str], str] = {}
    own_names = {*HEADLINES, *LOWER_IS_BETTER}
    for key in measured_keys(systems):
        for result in (result for system in systems for result in system.results(key)):
            sets = isinstance(result, VerificationSets)  # all of which papers compare, by their names
            for figure in result.figures() if sets else result.headlines():
                if figure.value is not None:
                    found.setdefault((key, figure.name), result.title)
                    own_names |= {figure.name} if sets else set()
    names = Counter(name for _, name in found)
    files = {(key, protocol) for (key, _), protocol in found.items()}
    titles = Counter(protocol for _, protocol in files)
    columns = []
    for (key, name), protocol in found.items():
        title = name
        if names[name] > 1 or name not in own_names:
            where = protocol if titles[protocol] == 1 else key
            title = f"{where}: {name}" if name not in where else where
        columns.append(Column(key, name, title))
    return sorted(columns, key=lambda one: HEADLINES.index(one.figure) if one.figure in HEADLINES else 99)


def _beside_published(
    systems: Sequence[System], columns: Sequence[Column]
) -> tuple[Table, list[Published]] | None:
    """Own figures on official lists, and the published rows that have any of these."""
    official = [column for column in columns if any(_is_comparable(column, one) for one in systems)]
    if not official:
        return None
    places = [HEADLINES.index(column.figure) for column in official]
    published = [
        Published(row.system, tuple(row.figures[place] for place in places))
        for row in PUBLISHED
        if any(row.figures[place] is not None for place in places)
    ]
    rows = [
        (one.name, "", [column.cell(one) if _is_comparable(column, one) else EMPTY for column in official])
        for one in systems
    ]
    return Table([column.title for column in official], rows), published


def _is_comparable(column: Column, system: System) -> bool:
    """Whether a figure of `system` was measured as the published ones were."""
    results = system.results(column.key)
    figures: list[Figure] = [
        one for result in results for one in result.figures() if one.name == column.figure
    ]
    protocol = MEASURED_BY.get(column.figure)
    return (
        bool(figures)
        and all(one.official for one in figures)
        and all(result.protocol == protocol for result in results)
    )
