"""`nsface eval-blufr`: ten trials of verification and open-set identification on LFW."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from nsface.cli.inputs import Inputs, embeddings_options
from nsface.cli.results import columns, emit, json_option, note, percent, plots_option
from nsface.protocols.blufr import measure, read_trials, summary, unexpected


@click.command()
@embeddings_options
@click.option(
    "--lists",
    type=click.Path(path_type=Path),
    required=True,
    help="The toolkit's folder list/lfw, or its blufr_lfw_config.mat.",
)
@plots_option
@json_option
def command(inputs: Inputs, lists: Path, plots: Path | None, json_to: str | None) -> None:
    """Score EMBEDDINGS of all of LFW on BLUFR's ten trials: mean − std of TAR@FAR=0.1 % and DIR@FAR=1 %.

    In each trial verification compares all images of the test set with each other, some 47 million pairs;
    open-set identification searches a gallery of 1,000 people.

    \b
    Example:
      nsface eval-blufr lfw.npz --lists BLUFR/list/lfw
    """
    trials = read_trials(lists)
    if problem := unexpected(trials):
        note(f"{lists}: {problem}")
    embeddings = inputs.load()
    with tqdm(total=len(trials), unit=" trials", disable=None) as bar:
        measured = []
        for trial in trials:
            measured.append(measure(embeddings, trial))
            bar.update()
    result = summary(measured) | {"embeddings": embeddings.source, "flip": embeddings.meta.get("flip")}
    if plots:
        from nsface.report.figures import draw_identification

        draw_identification(plots, {m.name: m for m in measured})
    emit(result, _table(result), json_to)


def _table(result: dict[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("", "mean", "std", "mean − std")]
    for title, points, rate in (
        ("TAR", result["tar_at_far"], "tar"),
        ("DIR at rank 1,", result["open_set"]["dir"], "dir"),
    ):
        for point in points:
            name = f"{title} at FAR {100 * point['far']:g} %"
            rows.append((name, *(percent(point[key]) for key in (rate, "std", "mean_minus_std"))))
    count = len(result["trials"])
    return f"blufr, {count} trial{'s' * (count > 1)}\n{columns(rows)}"
