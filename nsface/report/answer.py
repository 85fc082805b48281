"""The answer that a report begins with: which system is better on what, and how certain that is.

Nothing is said to be better unless the interval of the trusted test does not contain 0 (see `Row.better`).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from nsface.errors import joined
from nsface.report.comparisons import Pair, Row
from nsface.report.doubts import find_doubts
from nsface.report.systems import System, measured_keys
from nsface.report.tables import cell_of, ends, p_value, percent
from nsface.results import Difference, Figure, Result
from nsface.results.official import RENDERED
from nsface.run_folder import RunFolder


@dataclass(frozen=True)
class Answer:
    """Sentences without markup.

    Attributes:
        lead: what a reader should take away.
        claims: each difference, or figure, that it rests on.
        doubts: what the report cannot tell, or what a reader must know before believing it.
        commands: what to run next, each a line of a shell.
    """

    lead: list[str]
    claims: list[str]
    doubts: list[str]
    commands: list[str]


def find_answer(systems: Sequence[System], pairs: Sequence[Pair]) -> Answer:
    """What the results of `systems` and the comparisons `pairs` say."""
    rendered = is_rendered(systems)
    answers = [pair for pair in pairs if pair.headlines]
    shown = [pair for pair in answers if pair.shown]
    lead = [_verdict(pair, rendered) for pair in shown or answers]
    claims = [claim for pair in answers for claim in _claims(pair, rendered)]
    reached = [_reached(system, rendered) for system in systems]
    commands: list[str] = []
    if not measured_keys(systems):
        if not lead:
            lead = ["Nothing was measured yet, so nothing can be said about the quality of the embeddings."]
            commands = _first_commands(systems)
    elif len(systems) == 1:
        lead += reached[0][:1]
        claims += reached[0][1:]
    elif not shown:
        names = joined([system.name for system in systems])
        lead.append(f"Which of {names} is better cannot be told: they were not compared with one another.")
        claims += [sentence for sentences in reached for sentence in sentences]
        commands = _compare_commands(systems)
    return Answer(lead, claims, find_doubts(systems, pairs), commands)


def is_rendered(systems: Sequence[System]) -> bool:
    """Whether all that was measured, or else all that was trained on, are rendered faces."""
    results = [result for key in measured_keys(systems) for one in systems for result in one.results(key)]
    if results:
        return all(getattr(result, "rendered", None) for result in results)
    return all(run.environment.get("rendered") for system in systems for run in system.runs)


def _verdict(pair: Pair, rendered: bool) -> str:
    """Who is better on what, in one sentence."""
    rows = pair.headlines
    won = [[row for row in rows if row.better == system] for system in (0, 1)]
    unknown = [row for row in rows if row.better is None]
    names = (pair.first, pair.second)
    where = "On rendered faces, " if rendered else ""
    how = " in the mean over seeds" if rows[0].over_seeds else ""
    if not any(won):
        which = f"which of {names[0]} and {names[1]} is better{how} cannot be told"
        return _sentence(f"{where}{which}: {_cannot_tell(rows, rendered)}")
    parts = [
        f"{names[system]} is better than {names[1 - system]}{how} {_on(found, rows, rendered)}"
        for system, found in enumerate(won)
        if found
    ]
    text = where + "; ".join(parts)
    if unknown:
        others = "figure" if len(unknown) == 1 else f"{len(unknown)} figures"
        text += f"; on the other {others} compared, chance cannot be ruled out"
    return _sentence(text)


def _on(found: Sequence[Row], rows: Sequence[Row], rendered: bool) -> str:
    if len(found) == len(rows) > 1:
        return f"on all {len(rows)} figures compared"
    return "on " + joined([label(row, rendered) for row in found])


def _cannot_tell(rows: Sequence[Row], rendered: bool) -> str:
    if len(rows) == 1:
        return f"on {label(rows[0], rendered)}, the only figure compared, chance cannot be ruled out"
    return f"on none of the {len(rows)} figures compared can chance be ruled out"


def label(row: Row, rendered: bool) -> str:
    """What `row` compares; that faces are rendered is left out where the whole page is about such."""
    return row.label.replace(RENDERED, "") if rendered else row.label


def _claims(pair: Pair, rendered: bool) -> list[str]:
    return [_claim(row, (pair.first, pair.second), rendered) for row in pair.headlines]


def _claim(row: Row, names: tuple[str, str], rendered: bool) -> str:
    """One difference with its certainty: the higher system less the lower, or by how much the better one is
    better, be that less of an error."""
    found = row.difference
    higher = row.better if row.better is not None else int(found.difference < 0)
    points = f"{percent(abs(found.difference))} points"
    lower = row.better is not None and row.lower_is_better
    certainty = _certainty(found, 1 - higher if lower else higher)
    values = found.values and (percent(found.values[higher]), percent(found.values[1 - higher]))
    if row.better is not None:
        figures = f"{values[0]} % against {values[1]} %; " if values else ""
        return f"{label(row, rendered)}: {names[higher]} is better by {points} ({figures}{certainty})."
    figures = ""
    if values:
        figures = f"{names[higher]} {values[0]} %, {names[1 - higher]} {values[1]} %; "
    return f"{label(row, rendered)}: no certain difference ({figures}{points} apart, {certainty})."


def _certainty(found: Difference, higher: int) -> str:
    """Interval, p and test of a difference; the interval is that of the system `higher` less the other."""
    if found.interval is None and found.p is None:
        return f"{_test(found.test)} without interval and p"
    interval = "no interval"
    if found.interval:
        low, high = found.interval
        interval = f"95 % interval {ends((low, high) if higher == 0 else (-high, -low))}"
    p = p_value(found.p)
    return f"{interval}, p {p if p.startswith('<') else f'= {p}'}, {_test(found.test)}"


def _test(name: str) -> str:
    """`identity-aware` → `identity-aware test`."""
    return name if "test" in name or "bootstrap" in name else f"{name} test"


def _reached(system: System, rendered: bool) -> list[str]:
    """A sentence for each headline figure of a system."""
    found = []
    for key in measured_keys([system]):
        results = system.results(key)
        for figure in results[0].headlines():
            figures = [one for result in results for one in result.figures() if one.name == figure.name]
            if any(one.value is not None for one in figures):
                found.append(_reaches(system, results[0], figures, rendered))
    return found


def _reaches(system: System, result: Result, figures: Sequence[Figure], rendered: bool) -> str:
    cell = cell_of(figures)
    title = result.title.replace(RENDERED, "") if rendered else result.title
    where = title if len(result.figures()) == 1 else f"{title} ({figures[0].name})"
    certainty = f" (95 % interval {cell.interval} %)" if cell.interval else ""
    if len(figures) > 1:
        certainty = f" (mean of {len(figures)} seeds, {cell.spread.replace('± ', 'standard deviation ')})"
    elif not certainty and cell.spread:
        certainty = f" ({cell.spread}, {result.spread_is})"
    faces = "On rendered faces, " if rendered else ""
    return _sentence(f"{faces}{system.name} reaches {cell.value} % on {where}{certainty}")


def _sentence(text: str) -> str:
    """`text` with a full stop. Names of runs keep their first letter; words of ours get a capital."""
    ours = ("which ", "on ")
    return (text[0].upper() if text.startswith(ours) else text[0]) + text[1:] + "."


def _first_commands(systems: Sequence[System]) -> list[str]:
    """How to measure the first run, or how to finish its training."""
    run = systems[0].runs[0]
    folder = shlex.quote(str(run.folder))
    if not RunFolder(run.folder).has_model():
        return [f"nsface train {folder}/recipe.yaml --out {folder} --resume"]
    return [
        f"nsface extract {folder}/model.safetensors IMAGES -o {folder}/lfw.npz",
        f"nsface eval-lfw {folder}/lfw.npz --pairs pairs.txt --json {folder}/lfw.json",
        f"nsface report {folder}",
    ]


def _compare_commands(systems: Sequence[System]) -> list[str]:
    """How to compare the first two systems on a file that both have been measured with."""
    for key in measured_keys(systems[:1]):
        files = [
            getattr(result, "embeddings", None) for one in systems[:2] for result in one.results(key)[:1]
        ]
        if len(files) == 2 and all(files):
            output = shlex.quote(str(systems[1].runs[0].folder / f"compare-{key}.json"))
            first, second = (shlex.quote(str(file)) for file in (files[1], files[0]))
            return [f"nsface compare {first} {second} --protocol NAME --pairs LIST --json {output}"]
    return []
