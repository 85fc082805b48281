"""The card of `nsface eval-all`: one HTML file about the scores of one system on all protocols."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from nsface import __version__
from nsface.report.page import find_section, render_page
from nsface.report.provenance import text_of
from nsface.report.runs import Run
from nsface.report.scores import find_scores
from nsface.report.systems import System
from nsface.results import AllProtocols
from nsface.results.all_protocols import EXPLAINED
from nsface.results.official import RENDERED


def render(result: AllProtocols, command: str = "", now: datetime | None = None) -> str:
    """The page: a row for each figure, differences, what was not run, and each protocol with its figures.

    Args:
        command: what made it, to be written on it.
        now: when it is made; None: now.
    """
    results = result.titled()
    system = System(
        result.system,
        (Run(Path(), result.system, recipe={}, text="", environment={}, log=[], results=dict(results)),),
    )
    sections = [
        find_section(f"result-{number}", title, title, [system], None) for number, title in enumerate(results)
    ]
    return render_page(
        "card.html",
        version=__version__,
        result=result,
        suffix=RENDERED if result.rendered else "",
        explained=EXPLAINED,
        sections=sections,
        anchors={section.title: section.name for section in sections},
        published_rows=find_scores([system]).published,
        made=text_of(now or datetime.now(timezone.utc)),
        command=command,
    )
