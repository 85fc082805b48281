"""The report: one HTML file about one run or several, that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from nsface import __version__
from nsface.errors import shown
from nsface.recipe.text import dotted
from nsface.report.answer import find_answer, is_rendered
from nsface.report.audits import AuditBlock, find_audits
from nsface.report.by_groups import ByGroups, find_groups
from nsface.report.charts import (
    LOSS,
    SATURATION,
    Chart,
    result_charts,
    test_charts,
    training_charts,
    validation_charts,
)
from nsface.report.checks import find_checks
from nsface.report.classification import is_classification
from nsface.report.comparisons import find_pairs
from nsface.report.inspections import Inspection, facts
from nsface.report.listed import steps_done
from nsface.report.provenance import find_provenance
from nsface.report.runs import Run
from nsface.report.scores import find_scores
from nsface.report.systems import System, find_systems, measured_keys
from nsface.report.tables import (
    Table,
    ends,
    p_value,
    percent,
    plain_values,
    protocol_table,
    single_runs_table,
    what_spread_is,
)
from nsface.report.validation import validation_scores
from nsface.report.worst_errors import Thumbnail, WorstErrors, find_worst_errors
from nsface.results.official import RENDERED
from nsface.run_folder import RunFolder

Row = tuple[str, list[Any]]  # a key, and its value in each column
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Section:
    """What the page says of one protocol.

    Attributes:
        name: identifies it in the page.
        description: on what it was measured; with names where systems differ in that.
        spread: what ± means, or ''.
        table: a row a system.
        single: a row for each run of systems with several seeds; without rows where there are none.
        audits: what less careful evaluations would have printed.
        plain: names of runs and rows of values, of results that nsface did not make.
        groups: error rates of groups of people, where they were measured.
    """

    name: str
    title: str
    description: str
    spread: str
    table: Table
    single: Table
    plain: tuple[list[str], list[Row]]
    charts: list[Chart]
    audits: list[AuditBlock]
    groups: list[ByGroups]
    worst: list[WorstErrors]


def render(
    runs: Sequence[Run],
    thumbnail: Thumbnail | None = None,
    inspected: Sequence[Inspection] = (),
    command: str = "",
    now: datetime | None = None,
) -> str:
    """The page about `runs`, whose order is that of the tables and charts.

    Args:
        thumbnail: where the faces of the worst errors come from; None: no faces in the page.
        inspected: what `nsface inspect` found in sets of images.
        command: what made the page, to be written on it.
        now: when it is made; None: now.
    """
    systems = find_systems(runs)
    pairs = find_pairs(systems)
    rendered = is_rendered(systems)
    differing, common = environments(runs)
    drawn = [replace(one.runs[0], name=_curve_name(one)) for one in systems]
    return render_page(
        "page.html",
        version=__version__,
        title=_title(systems, rendered),
        rendered=rendered,
        rendered_suffix=RENDERED,
        training_rendered=all(run.environment.get("rendered") for run in runs),
        runs=runs,
        names=[run.name for run in runs],
        systems=systems,
        system_names=[system.name for system in systems],
        answer=find_answer(systems, pairs),
        scores=find_scores(systems),
        pairs=pairs,
        sections=find_sections(systems, thumbnail),
        training=[training_row(run) for run in runs],
        loss=training_charts(drawn, LOSS),
        saturation=training_charts(drawn, SATURATION),
        validation=validation_scores(runs),
        validated=validation_charts(drawn),
        tested=test_charts(drawn),
        classes=all(is_classification(run) for run in runs),
        recipes=rows_of([_recipe(system) for system in systems], differing=True),
        environments=differing,
        common=common,
        checks=find_checks(runs),
        inspected=rows_of([facts(result) for result in inspected], differing=False),
        places=[result.location for result in inspected],
        provenance=find_provenance(runs, command, now or datetime.now(timezone.utc)),
    )


def render_page(template: str, **values: Any) -> str:
    """The page that `template` makes of `values`; characters that are not printable are escaped."""
    page = _environment().get_template(template).render(**values)
    readable = _CONTROL.sub(lambda found: shown(found.group()), page)  # names hold whatever files are called
    return readable.encode("utf-8", "backslashreplace").decode()


@cache
def _environment() -> Environment:  # which keeps its templates, once they are compiled
    environment = Environment(
        loader=PackageLoader("nsface", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"percent": percent, "ends": ends, "p_value": p_value, "unbroken": unbroken}
    return environment


def unbroken(text: str) -> str:
    """`text` whose numbers stay with their units when a line is broken."""
    text = re.sub(r"(?<=\d) (?=%|points\b|seeds?\b)", "\u00a0", text)
    return text.replace("p = ", "p\u00a0=\u00a0").replace("Rank-", "Rank\u2011")


def _title(systems: Sequence[System], rendered: bool) -> str:
    return ", ".join(system.name for system in systems) + (RENDERED if rendered else "")


def _curve_name(system: System) -> str:
    """What a system's curves are called: those of its first seed stand for all."""
    return f"{system.name}, seed {system.runs[0].recipe['seed']}" if system.seeds else system.name


def training_row(run: Run) -> dict[str, Any]:
    """Length, speed and last line of a training."""
    last = run.log[-1] if run.log else {}
    speed = [line["images_per_second"] for line in run.log if "images_per_second" in line]
    return {
        "images": run.environment.get("images"),
        "identities": run.environment.get("identities"),
        "steps": steps_done(run.log, run.environment) or None,
        "loss": last.get("loss"),
        "accuracy": last.get("accuracy"),
        "probability": last.get("probability"),
        "saturated": last.get("saturated"),
        "speed": float(np.median(speed)) if speed else None,
        "finished": RunFolder(run.folder).has_model(),
    }


def find_sections(systems: Sequence[System], thumbnail: Thumbnail | None) -> list[Section]:
    """A section for each name of a result file."""
    keys = measured_keys(systems)
    firsts = [next(result for one in systems for result in one.results(key)).title for key in keys]
    titles = [
        title if firsts.count(title) == 1 else f"{title} ({key})"
        for key, title in zip(keys, firsts, strict=True)
    ]
    return [
        find_section(f"result-{number}", title, key, systems, thumbnail)
        for number, (key, title) in enumerate(zip(keys, titles, strict=True))
    ]


def find_section(
    name: str, title: str, key: str, systems: Sequence[System], thumbnail: Thumbnail | None
) -> Section:
    """What the page says of the files called `key`."""
    curves = {n: (_curve_name(one), one.results(key)[0]) for n, one in enumerate(systems) if one.results(key)}
    worst = [find_worst_errors(*curve, thumbnail) for curve in curves.values()] if thumbnail else []
    names, values = plain_values(systems, key)
    return Section(
        name=name,
        title=title,
        description=_description(systems, key),
        spread=what_spread_is(systems, key),
        table=protocol_table(systems, key),
        single=single_runs_table(systems, key),
        plain=(names, rows_of(values, differing=False)),
        charts=result_charts(name, curves),
        audits=find_audits(curves.values()),
        groups=find_groups(systems, key),
        worst=[found for found in worst if found],
    )


def _description(systems: Sequence[System], key: str) -> str:
    """On what was measured, once where all have the same trials."""
    found = {one.name: one.results(key)[0].description() for one in systems if one.results(key)}
    texts = dict.fromkeys(text for text in found.values() if text)
    if len(texts) < 2:
        return "".join(texts)
    return "not the same trials: " + "; ".join(f"{name}: {text}" for name, text in found.items() if text)


def _recipe(system: System) -> dict[str, Any]:
    """The keys of a system's recipes, with all their seeds."""
    seeds = [str(run.recipe.get("seed")) for run in system.runs]
    return dotted(system.runs[0].recipe) | {"seed": ", ".join(seeds)}


def environments(runs: Sequence[Run]) -> tuple[list[Row], list[Row]]:
    """Rows of what the environments of several runs differ in, and of what they have in common.

    Of one run all is in the first.
    """
    found = [dotted(run.environment) for run in runs]
    differing = rows_of(found, differing=len(runs) > 1)
    keys = {key for key, _ in differing}
    common = [(key, values[:1]) for key, values in rows_of(found, differing=False) if key not in keys]
    return differing, common


def rows_of(columns: Sequence[dict[str, Any]], differing: bool) -> list[Row]:
    """Rows (key, value in each column); with `differing` those alone whose values are not all equal."""
    keys = dict.fromkeys(key for column in columns for key in column)
    rows = [(key, [column.get(key, "–") for column in columns]) for key in keys]
    return [row for row in rows if not differing or any(value != row[1][0] for value in row[1])]
