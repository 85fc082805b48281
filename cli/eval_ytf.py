"""`nsface eval-ytf`: YouTube Faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nsface.cli.inputs import Inputs, embeddings_options
from nsface.cli.results import json_option
from nsface.cli.verification import finish, plots_option, scoring_options
from nsface.protocols.verification import measure, verify
from nsface.protocols.ytf import Pooling, frame_pair_scores, read_splits, templates


@click.command()
@embeddings_options
@click.option(
    "--splits", type=click.Path(path_type=Path), required=True, help="splits.txt, with or without header."
)
@click.option("--pool", type=click.Choice(["mean", "pairs"]), default="mean", show_default=True)
@scoring_options
@plots_option
@json_option
def command(
    inputs: Inputs,
    splits: Path,
    pool: Pooling,
    scoring: dict[str, Any],
    plots: Path | None,
    json_to: str | None,
) -> None:
    """Score EMBEDDINGS of frames (or of templates, one a video) on YouTube Faces.

    --pool mean compares templates, the normalised mean of a video's normalised frame embeddings; --pool pairs
    averages the cosines of up to 100 frame pairs.
    """
    if pool == "pairs" and (scoring["transform"] or scoring["similarity"] != "cosine"):
        raise click.UsageError(
            "--pool pairs averages cosines of frames; --pca, --center and euclidean do not apply"
        )
    trials = read_splits(splits)
    embeddings = inputs.load()
    if pool == "pairs":
        frames: int | None
        scores, frames = frame_pair_scores(embeddings, trials)
        measured, kind = measure("ytf", trials, scores, "cosine", scoring["fars"]), "pairs"
    else:
        made = templates(embeddings, trials)
        measured, kind, frames = verify("ytf", made.embeddings, trials, **scoring), made.pool, made.frames
    finish(measured, embeddings, json_to, plots, extra={"pool": kind, "frames": frames})
