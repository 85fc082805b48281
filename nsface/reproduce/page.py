"""`results.html`: what a table has found, in one file that needs no other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import yaml

from nsface import __version__
from nsface.report.charts import chart
from nsface.report.page import render_page
from nsface.report.plots import Plot
from nsface.report.provenance import text_of
from nsface.reproduce import content
from nsface.reproduce.arms import ARMS
from nsface.reproduce.findings import claims, doubts, lead
from nsface.reproduce.outcomes import Reproduction
from nsface.reproduce.tables import SOURCE


def html(
    found: Reproduction,
    figures: Sequence[tuple[str, Sequence[Plot]]],
    command: str | None,
    now: datetime | None = None,
) -> str:
    """The page.

    Args:
        figures: sections of figures, by title.
        command: what made it.
        now: when it is made; None: now.
    """
    return render_page(
        "reproduction.html",
        version=__version__,
        made=text_of(now or datetime.now(timezone.utc)),
        command=command,
        title=content.title_of(found),
        size=found.about,
        lead=lead(found),
        claims=claims(found),
        doubts=doubts(found),
        titles=content.TITLES,
        rows=content.rows(found),
        caption=content.caption(found, SOURCE),
        source=SOURCE,
        by_seed=content.by_seed(found),
        others=content.others(found),
        figures=[(title, [chart(plot) for plot in plots]) for title, plots in figures],
        arms=content.differing(found),
        troubles=content.troubles(found),
        first=ARMS[found.arms[0]].title,
        recipe=yaml.safe_dump(found.recipes[found.arms[0]], sort_keys=False, allow_unicode=True),
        origin=content.origin(found, command),
    )
