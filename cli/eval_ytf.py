"""`nsface eval-ytf`: YouTube Faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nsface.cli.inputs import Inputs, embeddings_options
from nsface.cli.results import json_option, plots_option
from nsface.cli.verification import calibration_option, finish, scoring_options
from nsface.protocols.verification import measure, verify
from nsface.protocols.ytf import Pooling, frame_pair_scores, read_splits, templates, video_of


@click.command()
@embeddings_options
@click.option(
    "--splits", type=click.Path(path_type=Path), required=True, help="splits.txt, with or without header."
)
@click.option(
    "--pool",
    type=click.Choice(["mean", "pairs"]),
    default="mean",
    show_default=True,
    help="How frames make a score.",
)
@scoring_options
@calibration_option
@plots_option
@json_option
def command(
    inputs: Inputs,
    splits: Path,
    pool: Pooling,
    scoring: dict[str, Any],
    calibration: bool,
    plots: Path | None,
    json_to: str | None,
) -> None:
    """Score EMBEDDINGS of frames (or of templates, one a video) on YouTube Faces.

    --pool mean compares templates, the normalised mean of a video's normalised frame embeddings; --pool pairs
    averages the cosines of up to 100 frame pairs.

    \b
    Example:
      nsface eval-ytf frames.npz --splits splits.txt
    """
    if pool == "pairs" and (scoring["transform"] or scoring["similarity"] != "cosine"):
        raise click.UsageError(
            "--pool pairs averages cosines of frames; --pca, --center and euclidean do not apply"
        )
    trials = read_splits(splits)
    if pool == "pairs":
        frames: int | None
        embeddings = inputs.load()
        scores, frames = frame_pair_scores(embeddings, trials)
        measured, kind = measure("ytf", trials, scores, "cosine", scoring["fars"]), "pairs"
    else:
        videos = {*trials.left, *trials.right}
        embeddings = inputs.load(lambda name: video if (video := video_of(name)) in videos else None)
        made = templates(embeddings, trials)
        measured, kind, frames = verify("ytf", made.embeddings, trials, **scoring), made.pool, made.frames
    extra = {"pool": kind, "frames": frames}
    finish(measured, embeddings, json_to, plots, extra=extra, calibration=calibration)
