"""What the report says of groups of people: a table of their error rates for each attribute and system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nsface.report.systems import System
from nsface.report.tables import EMPTY, Cell, Table, ends, percent
from nsface.results import Identification, Verification
from nsface.results.groups import TEST, Attribute, GroupRate, Groups


@dataclass(frozen=True)
class ByGroups:
    """Error rates by one attribute.

    Attributes:
        title: of whom, and by which attribute.
        caption: the threshold, and how many people are in no group.
        sentences: the summaries, and what is left out of them.
    """

    title: str
    caption: str
    table: Table
    sentences: list[str]


def find_groups(systems: Sequence[System], key: str) -> list[ByGroups]:
    """Tables for the results in files called `key`; none where no groups were measured."""
    runs = [run for system in systems for run in system.runs]
    found = [(run.name, run.results[key]) for run in runs if key in run.results]
    return [
        _by_attribute(name, result.groups, attribute)
        for name, result in found
        if isinstance(result, Verification | Identification) and result.groups
        for attribute in result.groups.attributes
    ]


def _by_attribute(name: str, groups: Groups, attribute: Attribute) -> ByGroups:
    rows = dict.fromkeys(one.name for rate in attribute.rates for one in (*rate.groups, *rate.across))
    columns = [{one.name: one for one in (*rate.groups, *rate.across)} for rate in attribute.rates]
    table = Table(
        [rate.name for rate in attribute.rates],
        [(row, "", [_cell(column.get(row)) for column in columns]) for row in rows],
    )
    caption = (
        f"Per cent, in small print errors of trials and the 95 % interval. One threshold for all groups, "
        f"{groups.threshold:.4f}, {groups.threshold_source}; {attribute.people:,} people, and "
        f"{attribute.unlabelled:,} more in no group."
    )
    sentences = [rate.summary() for rate in attribute.rates]
    sentences.append(f"GARBE, α = {groups.garbe_alpha:g}: {attribute.garbe.text()}")
    sentences += [*groups.remarks(attribute), f"In brackets the 95 % interval; p by {TEST}."]
    return ByGroups(f"{name} by {attribute.name}", caption, table, sentences)


def _cell(one: GroupRate | None) -> Cell:
    if one is None:
        return EMPTY
    return Cell(percent(one.rate, 3), f"{one.errors:,} of {one.trials:,}", ends(one.interval, 3))
