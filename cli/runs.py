"""`nsface runs`."""

from __future__ import annotations

from pathlib import Path

import click

from nsface.cli.completion import complete_column, complete_group
from nsface.cli.output import emit, json_option, note, terminal_width
from nsface.errors import DataError, listing


@click.command(name="runs")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--against",
    metavar="GROUP",
    shell_complete=complete_group,
    help="The group that the others are tested against: its name, or the path of one of its runs.  "
    "[default: the first with several seeds]",
)
@click.option(
    "--sort",
    metavar="COLUMN",
    shell_complete=complete_column,
    help="Sort by this column: scores and speed with the highest first, errors with the lowest.  "
    "[default: by path]",
)
@json_option
def command(folders: tuple[Path, ...], against: str | None, sort: str | None, json_to: str | None) -> None:
    """List the run folders in and below DIR...: how their recipes differ, how far they are, scores, time.

    Scores are those that the eval-* commands wrote into the run folders with --json. Runs whose recipes
    differ in the seed alone form a group, with mean ± standard deviation over the seeds. The other groups are
    tested against one of them by t tests over the seeds, paired by the seeds that both have.

    \b
    Examples:
      nsface runs runs
      nsface eval-lfw runs/a/lfw.npz --pairs pairs.txt --json runs/a/lfw.json && nsface runs runs --sort LFW
      nsface runs runs --against softmax --json - | jq '.differences'
    """
    from nsface.report.run_search import find_run_folders
    from nsface.report.run_table import read_run_table

    found = find_run_folders(folders)
    for line in found.notes:
        note(line)
    if not found.runs:
        where = listing([str(folder) for folder in folders], 3)
        raise DataError(f"{where}: no run folder there or below; `nsface train --out` makes them")
    table = read_run_table(found.runs, note, sort, against)
    emit(table.to_json(), table.table(terminal_width()), json_to)
