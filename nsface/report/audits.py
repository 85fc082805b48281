"""The audits in the report: less careful figures beside the measured ones, and what these rest on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from nsface.report.tables import DASH, percent
from nsface.results import Result, VerificationSets
from nsface.results.audit import Audit, Careless


@dataclass(frozen=True)
class Group:
    """A figure as it was measured, and rows of a practice: its value, how far that is from it, its FAR."""

    figure: str
    measured: str
    rows: list[tuple[str, str, str, str]]


@dataclass(frozen=True)
class AuditBlock:
    """The audit of the system called `name`, on one set where there are several."""

    name: str
    groups: list[Group]
    facts: list[tuple[str, list[str]]]


def find_audits(results: Iterable[tuple[str, Result]]) -> list[AuditBlock]:
    """The audits of results, each with the name of its system."""
    return [
        AuditBlock(name, _groups(audit), [(key, [value]) for key, value in audit.facts()])
        for system, result in results
        for name, audit in _audits(system, result)
    ]


def _audits(system: str, result: Result) -> Iterator[tuple[str, Audit]]:
    """Every audit in `result`."""
    if isinstance(result, VerificationSets):
        for one in result.sets:
            yield from _audits(f"{system}, {one.protocol}", one)
    elif isinstance(audit := getattr(result, "audit", None), Audit):
        yield system, audit


def _groups(audit: Audit) -> list[Group]:
    groups = []
    for figure, found in groupby(audit.figures, lambda one: one.figure):
        same = list(found)
        groups.append(Group(figure, percent(same[0].honest), [_row(one) for one in same]))
    return groups


def _row(one: Careless) -> tuple[str, str, str, str]:
    far = "" if one.achieved_far is None else f"{100 * one.achieved_far:.3g}"
    return one.practice, percent(one.value), _signed(one.difference), far


def _signed(difference: float | None) -> str:
    if difference is None:
        return DASH
    text = percent(difference)
    return text if text.startswith("−") or text == percent(0.0) else f"+{text}"
