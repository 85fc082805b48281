"""`nsface report`."""

from __future__ import annotations

from pathlib import Path

import click

from nsface.cli.output import command_line

PATH = click.Path(path_type=Path)


@click.command(name="report")
@click.argument("runs", metavar="RUN...", type=PATH, nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE", type=PATH, help="The page.  [default: RUN/report.html]")
@click.option(
    "--images",
    metavar="PATH",
    help="Show the worst errors with faces from here: the folder, list or tar that was extracted.  "
    "[default: no faces in the page]",
)
@click.option(
    "--inspect",
    "inspections",
    metavar="FILE",
    type=PATH,
    multiple=True,
    help="What `nsface inspect --json FILE` found in the data, for the checks; repeatable.",
)
def command(
    runs: tuple[Path, ...], output: Path | None, images: str | None, inspections: tuple[Path, ...]
) -> None:
    """Write one HTML page about the run folders RUN...: which run is better, scores, checks, recipes.

    A run folder is what `nsface train --out` made. The page shows the results that the eval-* commands
    and compare wrote into it with --json. Runs whose recipes differ in the seed only are one system: the page
    has its mean over seeds, and tests over seeds. The page needs no network and no other file; its path goes
    to standard output.

    \b
    Examples:
      nsface eval-lfw runs/a/lfw.npz --pairs pairs.txt --json runs/a/lfw.json && nsface report runs/a
      nsface report runs/softmax runs/noisy -o comparison.html
      nsface report runs/a --images lfw/
      nsface inspect casia/ --json casia.json && nsface report runs/a --inspect casia.json
    """
    from nsface.files import check_writable, write_text
    from nsface.report.inspections import read_inspections
    from nsface.report.page import render
    from nsface.report.runs import read_runs
    from nsface.run_folder import RunFolder

    if output is None:
        if len(runs) > 1:
            raise click.UsageError("several runs need -o FILE")
        output = RunFolder(runs[0]).report_file
    read, inspected = read_runs(runs), read_inspections(inspections)
    check_writable(output)
    thumbnail = None
    if images:
        from nsface.report.thumbnails import Thumbnails

        thumbnail = Thumbnails(images)
    write_text(output, render(read, thumbnail, inspected, command_line()))
    click.echo(output)
