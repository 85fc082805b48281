"""`nsface saturation`: how training runs saturate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nsface.cli.output import emit, json_option, terminal_width
from nsface.files import check_writable
from nsface.results.text import columns, percent


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "figure",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Draw all runs in one figure: .svg, .png or .pdf.",
)
@json_option
def command(runs: tuple[Path, ...], figure: Path | None, json_to: str | None) -> None:
    """Show how the samples saturated in the training RUNs, run folders of `nsface train`.

    Three quantities are shown: the mean softmax probability p_y of the label, the share of samples with
    p_y > 0.999, and the mean gradient on the target logit (for Softmax 1 − p_y). The table has them after
    each quarter of a run; the figure and the JSON have them at every logged step.

    \b
    Examples:
      nsface saturation runs/softmax runs/noisy -o saturation.svg
      nsface saturation runs/* --json - | jq '.runs[].points[-1]'
    """
    from nsface.report.runs import read_runs
    from nsface.report.saturation import check_format, draw_saturation, measures, points, quarters
    from nsface.report.training_plots import SATURATION

    if figure is not None:
        check_format(figure)
        check_writable(figure)
    measured = {run.name: measures(run) for run in read_runs(runs)}
    if figure is not None:
        draw_saturation(figure, {name: [one] for name, one in measured.items()})
    rows = [["run", "step", "mean p_y", "p_y > 0.999", "mean gradient"]]
    result: dict[str, Any] = {"runs": []}
    for name, one in measured.items():
        result["runs"].append({"run": name, "points": points(one)})
        for number, place in enumerate(quarters(one)):
            shares = [percent(one[field][place]) for field in SATURATION]
            rows.append(["" if number else name, str(int(one["step"][place])), *shares])
    emit(result, columns(rows, indent="", width=terminal_width()), json_to)
