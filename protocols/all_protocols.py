"""The scores by all protocols whose lists lie in a folder, after `nsface.protocols.planning`.

    contents ── find_lists ── plan (lists read, names checked) ── score (each with its embeddings)

A list of which one image is missing is not scored: no figure rests on a part of a list. What is wrong with
one list keeps no other from being scored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nsface.errors import NsfaceError, counted, shown
from nsface.metrics.statistics import holm
from nsface.protocols.planning import Plan, Planned, System, errors_as_reasons, why_missing
from nsface.protocols.protocol import Found, Start
from nsface.results import AllProtocols, Comparison, Difference, Figure, Result
from nsface.results.all_protocols import FamilyDifference, NotRun, Score
from nsface.results.official import DIFFERENCES, HEADLINES, headline_differences


@dataclass
class _Scored:
    """What has been scored so far."""

    scores: list[Score] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    compared: list[tuple[str, Difference]] = field(default_factory=list)
    not_compared: list[NotRun] = field(default_factory=list)
    not_run: list[NotRun] = field(default_factory=list)


def score(
    made: Plan,
    system: System,
    against: System | None = None,
    start: Start | None = None,
    note: Callable[[Sequence[str]], object] = list,
) -> AllProtocols:
    """Score `system` on all that is planned; compare it with `against` where that has the images too.

    Args:
        note: called with sentences on what makes results doubtful.

    Raises:
        NsfaceError: nothing could be scored.
    """
    done = _Scored(not_run=list(made.not_run))
    for one in made.planned:
        about = {"title": one.title, "lists": _lists(one.found)}
        with errors_as_reasons(done.not_run, about):
            measured = one.protocol.measure(system.embeddings(one), one.lists, start)
            note(list(dict.fromkeys([*one.protocol.notes(one.lists), *measured.notes])))
            result = measured.result()
            done.results.append(result)
            done.scores += _scores(one.title, one.found, result)
            if against:
                with errors_as_reasons(done.not_compared, about):
                    _compare(one, about, (system, measured), against, done, start)
    if not done.results:
        note([f"{one.title}: {one.reason}" for one in done.not_run])
        raise NsfaceError(
            f"{shown(made.folder)}: none of {counted(len(done.not_run), 'list')} in it can be scored; the "
            "notes say why"
        )
    return _result(made, system, against, done)


def _lists(found: Found) -> tuple[str, ...]:
    return tuple(map(str, found.lists))


def _scores(title: str, found: Found, result: Result) -> list[Score]:
    """A row for each figure that papers compare."""
    figures = result.figures() or [Figure("accuracy", None)]
    compared = [figure for figure in figures if figure.name in (*HEADLINES, *DIFFERENCES)] or figures[:1]
    return [
        Score(
            title=title,
            protocol=result.protocol,
            figure="accuracy" if len(figures) == 1 else figure.name,
            value=figure.value,
            spread=figure.spread,
            interval=figure.interval,
            trials=result.trials_of(figure),
            official=figure.official,
            lists=_lists(found),
            copies=tuple(map(str, found.copies)),
        )
        for figure in compared
    ]


def _compare(
    one: Planned,
    about: dict[str, Any],
    first: tuple[System, Any],
    against: System,
    done: _Scored,
    start: Start | None,
) -> None:
    fields = one.protocol.comparable.values()
    if not fields or any(getattr(one.protocol, name) is None for name in fields):
        done.not_compared.append(NotRun(reason="there is no comparison over several trials", **about))
        return
    if missing := why_missing(one.protocol, one.lists, against):
        done.not_compared.append(NotRun(**about, **missing))
        return
    system, measured = first
    other = one.protocol.measure(against.embeddings(one), one.lists, start)
    comparison = one.protocol.compare(measured, other).named(system.name, against.name)
    done.comparisons.append(comparison)
    done.compared += [(one.title, difference) for difference in _headlines(comparison)]


def _headlines(comparison: Comparison) -> list[Difference]:
    """Of each figure that papers compare, the difference by the first test that has a p value: the one that
    knows which people are in which trials, where names say so."""
    differences = [one for one in comparison.differences() if one.p is not None]
    chosen = headline_differences([one.what for one in differences])
    return [next(one for one in differences if one.what == what) for what in dict.fromkeys(chosen)]


def _result(made: Plan, system: System, against: System | None, done: _Scored) -> AllProtocols:
    first = done.results[0]
    result = AllProtocols(
        folder=str(made.folder),
        system=system.name,
        flip=getattr(first, "flip", None),
        rendered=getattr(first, "rendered", None),
        scores=tuple(done.scores),
        not_run=tuple(done.not_run),
        other_files=tuple(made.other_files),
        results=tuple(done.results),
    )
    if against is None:
        return result
    return replace(
        result,
        against=against.name,
        differences=_family(done.compared),
        not_compared=tuple(done.not_compared),
        comparisons=tuple(done.comparisons),
    )


def _family(compared: Sequence[tuple[str, Difference]]) -> tuple[FamilyDifference, ...]:
    """All differences, each p value corrected for all of them."""
    corrected = holm([found.p for _, found in compared if found.p is not None])
    return tuple(
        FamilyDifference(
            title=title,
            what=found.what,
            test=found.test,
            values=found.values,
            difference=found.difference,
            interval=found.interval,
            p=found.p or 0.0,
            p_holm=p_holm,
        )
        for (title, found), p_holm in zip(compared, corrected, strict=True)
    )
