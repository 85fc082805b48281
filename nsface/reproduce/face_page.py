"""The table on faces as Markdown and as a page of HTML: both say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nsface import __version__
from nsface.errors import joined
from nsface.report.charts import SATURATION, training_charts
from nsface.report.page import render_page
from nsface.report.runs import Run
from nsface.reproduce.face_findings import claims, lead
from nsface.reproduce.face_outcomes import FaceReproduction
from nsface.reproduce.face_table import FACE_ARMS, NOT_COMPARABLE, PAIRING, TABLE_5
from nsface.reproduce.face_text import difference_cells, score_cells
from nsface.reproduce.outcomes import mean_and_std
from nsface.reproduce.tables import SOURCE
from nsface.results.official import HEADLINES
from nsface.training.progress import duration

TITLE = "Faces: Softmax and Noisy Softmax"


@dataclass(frozen=True)
class Grid:
    """A table of texts.

    Attributes:
        about: a sentence or two above it.
        rows: the first has the titles of the columns.
        folded: whether the page shows it only when it is asked for.
    """

    title: str
    about: str
    rows: Sequence[Sequence[str]]
    folded: bool = False


def grids(found: FaceReproduction) -> list[Grid]:
    """All tables, in their order."""
    made = [
        Grid(
            "Scores",
            "Per cent, mean ± standard deviation over seeds. BLUFR and identification over several trials "
            "are means over the trials of each network.",
            score_cells(found),
        ),
        _table_5(found),
    ]
    if tests := found.tests():
        about = (
            "Percentage points, paired by seed: a paired t test. The last p is corrected by Holm's method "
            "for all tests of single networks in this table, or for all of ensembles."
        )
        made.append(Grid("Less Softmax, over seeds", about, difference_cells(found, tests)))
    if tests := found.over_pairs():
        about = (
            "Percentage points, two networks of one seed on the same pairs or probes, and ensembles against "
            "the network of their first seed. The last p is corrected by Holm's method for all tests of "
            "single networks in this table, or for all of ensembles."
        )
        made.append(Grid("Less Softmax, over pairs", about, difference_cells(found, tests), folded=True))
    made.append(_each(found))
    made.append(_trainings(found))
    if found.not_run:
        rows = [["list", "reason"], *([one.title, one.reason] for one in found.not_run)]
        made.append(Grid("Not scored", "Protocols without lists or images.", rows))
    return made


def _table_5(found: FaceReproduction) -> Grid:
    rows = [["", *HEADLINES]]
    rows += [[one.system, *("–" if x is None else f"{x:.2f}" for x in one.figures)] for one in TABLE_5]
    ours_by_system = {system: ours for system, ours in found.of_table_5().items() if any(ours)}
    for system, ours in ours_by_system.items():
        rows.append([f"{found.title(system)}, {found.recipe_name}, this run", *map(mean_and_std, ours)])
    about = (
        f"Per cent; the table on faces as collected by {SOURCE}, and below it ours, mean ± standard "
        f"deviation over seeds, where the official list was scored"
        f"{'' if ours_by_system else ': here none was'}. {NOT_COMPARABLE}"
    )
    return Grid("Beside the published table", about, rows)


def _each(found: FaceReproduction) -> Grid:
    rows = found.rows()
    cells = [["", "seed", *(row.label for row in rows)]]
    for system in found.systems:
        values = [found.by_seed(system, row) for row in rows]
        for seed in sorted({seed for one in values for seed in one}):
            shown = (f"{100 * one[seed]:.2f}" if seed in one else "–" for one in values)
            cells.append([found.title(system), str(seed), *shown])
    return Grid("Each network and ensemble", f"Per cent. {PAIRING}", cells, folded=True)


def _trainings(found: FaceReproduction) -> Grid:
    spent = {(one.system.name, one.system.seed): one.seconds for one in found.scored}
    rows = [["arm", "seed", "training", "extraction and scores", "training accuracy, %", ""]]
    for one in found.trainings:
        scoring = spent.get((one.arm, one.seed))
        rows.append(
            [
                FACE_ARMS[one.arm].title,
                str(one.seed),
                duration(one.seconds),
                "–" if scoring is None else duration(scoring),
                "–" if one.accuracy is None else f"{100 * one.accuracy:.1f}",
                "diverged" if one.diverged else "",
            ]
        )
    several = {key: value if isinstance(value, list) else [value] for key, value in found.environment.items()}
    environment = ", ".join(
        f"{key} {joined([str(one) for one in values])}" for key, values in several.items()
    )
    return Grid("Trainings", f"Wall time. {environment}.", rows, folded=True)


def size(found: FaceReproduction) -> str:
    """What was trained."""
    return f"Recipe {found.recipe_name}. {found.scale.about}"


def markdown(found: FaceReproduction, command: str) -> str:
    """The content of `results.md`."""
    parts = [f"# {TITLE}", size(found), *(f"**{sentence}**" for sentence in lead(found))]
    parts.append("\n".join(f"- {claim}" for claim in claims(found)))
    parts += ["## What this does not show", "\n".join(f"- {doubt}" for doubt in found.doubts)]
    if command:
        parts.append(f"    {command}")
    for grid in grids(found):
        parts += [f"## {grid.title}", grid.about, markdown_table(grid.rows)]
    return "\n\n".join(filter(None, parts)) + "\n"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A table of `rows`, of which the first is the head."""
    head, *others = rows
    lines = [head, ["---"] * len(head), *others]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in lines
    )


def html(found: FaceReproduction, runs: Sequence[Run], command: str) -> str:
    """The content of `results.html`.

    Args:
        runs: one of each arm, whose saturation is drawn.
    """
    return render_page(
        "faces.html",
        version=__version__,
        title=TITLE,
        size=size(found),
        lead=lead(found),
        claims=claims(found),
        doubts=found.doubts,
        grids=grids(found),
        saturation=training_charts([run for run in runs if run.log], SATURATION),
        command=command,
    )
