"""`nsface eval-ident`: identification, closed and open set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from nsface.cli.inputs import Inputs, embeddings_options, load_embeddings
from nsface.cli.numbers import DIMENSIONS, FAR
from nsface.cli.results import columns, emit, interval, json_option, note, percent, plots_option
from nsface.embeddings.file import Embeddings
from nsface.errors import listing
from nsface.metrics.similarity import SIMILARITIES, Similarity
from nsface.protocols.identification import (
    FARS,
    Fuse,
    Measured,
    Trial,
    identify,
    searched_rows,
    summary,
    transformed,
)
from nsface.protocols.identification_lists import (
    OpenGallery,
    given_trial,
    lfw_trial,
    own_trial,
    read_subjects,
    unexpected_counts,
)
from nsface.protocols.lfw import image, read_people
from nsface.protocols.transforms import Transform
from nsface.report.curves import identification_curves

PATH = click.Path(path_type=Path)


@click.command()
@embeddings_options
@click.option("--people", type=PATH, help="LFW's people.txt.")
@click.option("--subjects", type=PATH, help="The 596 subjects: a list of them, or a copy of YouTube Faces.")
@click.option("--lists", type=PATH, multiple=True, help="A folder with the lists of one trial; repeatable.")
@click.option("--gallery", type=PATH, help="Your own gallery: image, or image<TAB>person, a line.")
@click.option("--probes", type=PATH, help="Your own probes, whose people are in the gallery.")
@click.option("--impostors", type=PATH, help="Your own impostors, whose people are not.")
@click.option(
    "--open-gallery", type=click.Choice(["single", "multi"]), default=None, help="LFW reading. [single]"
)
@click.option(
    "--fuse",
    type=click.Choice(["best", "mean"]),
    default="best",
    show_default=True,
    help="Entry from images.",
)
@click.option(
    "--similarity",
    type=click.Choice(SIMILARITIES),
    default="cosine",
    show_default=True,
    help="Score of two embeddings.",
)
@click.option("--center", is_flag=True, help="Subtract the mean of the images of --fit-on.")
@click.option("--pca", type=DIMENSIONS, metavar="N", help="PCA to N, fitted on the images of --fit-on.")
@click.option("--fit-on", type=PATH, help="Embeddings, by the same model, of images outside the test.")
@click.option("--far", "fars", type=FAR, multiple=True, help="FAR at which DIR is given.")
@plots_option
@json_option
def command(
    inputs: Inputs,
    people: Path | None,
    subjects: Path | None,
    lists: tuple[Path, ...],
    gallery: Path | None,
    probes: Path | None,
    impostors: Path | None,
    open_gallery: OpenGallery | None,
    fuse: Fuse,
    similarity: Similarity,
    center: bool,
    pca: int | None,
    fit_on: Path | None,
    fars: tuple[float, ...],
    plots: Path | None,
    json_to: str | None,
) -> None:
    """Score EMBEDDINGS on identification: Rank-k on a closed set, DIR at FAR on an open set.

    Give --people and --subjects (LFW's protocol, deterministic draw), or --lists once for each trial, or your
    own --gallery, --probes and --impostors.

    \b
    Examples:
      nsface eval-ident lfw.npz --people people.txt --subjects lfw_ytf_596.txt
      nsface eval-ident lfw.npz --lists trial01 --lists trial02
      nsface eval-ident faces.npz --gallery staff.txt --probes visits.txt --impostors strangers.txt
    """
    own = gallery is not None or probes is not None or impostors is not None
    drawn = subjects is not None
    if own + drawn + bool(lists) != 1:
        raise click.UsageError("give one of: --people and --subjects; --lists; --gallery and --probes")
    if own and (gallery is None or probes is None or people or open_gallery):
        raise click.UsageError("--gallery and --probes are needed, without --people and --open-gallery")
    if len(set(lists)) < len(lists):
        raise click.UsageError("one of --lists is given twice")
    if drawn and people is None:
        raise click.UsageError("--subjects needs --people")
    transform = Transform(center, pca or 0)
    if bool(transform) != (fit_on is not None):
        raise click.UsageError("--center and --pca need --fit-on: nothing may be fitted on gallery or probes")
    reading: OpenGallery = open_gallery or "single"
    everyone = [person for fold in read_people(people) for person in fold] if people else []
    ready: list[Trial] = []
    if gallery and probes:
        ready = [own_trial(gallery, probes, impostors)]
    elif subjects:
        ready = [lfw_trial(everyone, read_subjects(subjects, everyone), reading)]
    embeddings = inputs.load()
    if lists:
        names = [image(p.name, i) for p in everyone for i in range(1, p.images + 1)] or embeddings.names
        ready = [given_trial(folder, names, reading) for folder in lists]
        if len({trial.name for trial in ready}) < len(ready):
            ready = [replace(trial, name=str(folder)) for trial, folder in zip(ready, lists, strict=True)]
    result: dict[str, Any] = {"protocol": "identification" if own else "lfw-identification", "fuse": fuse}
    if not own:
        result["open_gallery"] = reading
        differing: dict[str, list[str]] = {}
        for trial in ready:
            if problems := unexpected_counts(trial, reading):
                differing.setdefault("; ".join(problems), []).append(trial.name)
        for what, trials in differing.items():
            note(f"{listing(trials, 3)}: {what}: these lists are not those of LFW's protocol")
    if fit_on:
        embeddings, known = transformed(embeddings, transform, load_embeddings(fit_on), ready)
        if known:
            note(f"{fit_on}: {len(known)} of its people are in the test too ({', '.join(known[:3])})")
    measured = run(embeddings, ready, fuse, similarity, fars or FARS)
    result |= {"similarity": similarity, "transform": transform.name} | summary(measured)
    result |= {"embeddings": embeddings.source, "flip": embeddings.meta.get("flip")}
    if plots:
        from nsface.report.figures import draw_identification

        draw_identification(plots, {m.name: m for m in measured})
    emit(result | {"curves": identification_curves(measured)}, _table(result), json_to)


def run(
    embeddings: Embeddings,
    trials: Sequence[Trial],
    fuse: Fuse,
    similarity: Similarity,
    fars: Sequence[float],
) -> list[Measured]:
    """Measure all trials under one progress bar."""
    options: dict[str, Any] = {"fuse": fuse, "similarity": similarity, "fars": fars}
    with tqdm(total=sum(map(searched_rows, trials)), unit=" rows", disable=None) as bar:
        return [identify(embeddings, trial, progress=bar.update, **options) for trial in trials]


def _table(result: dict[str, Any]) -> str:
    trials = len(result.get("trials", [1]))
    lines = [f"{result['protocol']}, {trials} trial{'s' * (trials > 1)}"]
    if closed := result.get("closed_set"):
        lines.append(f"closed set: gallery {closed['gallery']}, probes {closed['probes']}")
        spread = closed.get("rank_std", {})
        ends = closed.get("rank_interval", {})
        found = [("", "rate", "95 % interval")]
        found += [
            (f"Rank-{k}", _with(v, spread.get(k)), interval(ends.get(k))) for k, v in closed["rank"].items()
        ]
        lines.append(columns(found))
    if opened := result.get("open_set"):
        lines.append(
            "open set: "
            f"gallery {opened['gallery']}, genuine {opened['genuine']}, impostors {opened['impostors']}"
        )
        rows = [("FAR", "DIR (rank 1)", "95 % interval", "achieved FAR", "threshold")]
        for p in opened["dir"]:
            achieved = percent(p["achieved_far"], 3)
            rows.append(
                (
                    f"{100 * p['far']:g} %",
                    _with(p["dir"], p.get("std")),
                    interval(p.get("confidence_interval")),
                    achieved,
                    f"{p['threshold']:.4f}",
                )
            )
        lines.append(columns(rows))
    return "\n".join(lines)


def _with(value: float, std: float | None) -> str:
    return percent(value) + (f" ± {percent(std)}" if std is not None else "")
