"""`nsface eval-lfw`: LFW verification, View 2 or View 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nsface.cli.inputs import Inputs, embeddings_options
from nsface.cli.results import json_option, plots_option
from nsface.cli.verification import calibration_option, finish, pairs_option, scoring_options
from nsface.protocols.lfw import read_pairs
from nsface.protocols.verification import verify


@click.command()
@embeddings_options
@pairs_option("LFW's pairs.txt, or a View 1 list.")
@click.option(
    "--train-pairs", type=click.Path(path_type=Path), help="Take the threshold from this list (View 1)."
)
@click.option("--errata", type=click.Path(path_type=Path), help="Corrected labels: image, image, 0|1 a line.")
@scoring_options
@calibration_option
@plots_option
@json_option
def command(
    inputs: Inputs,
    pairs: Path,
    train_pairs: Path | None,
    errata: Path | None,
    scoring: dict[str, Any],
    calibration: bool,
    plots: Path | None,
    json_to: str | None,
) -> None:
    """Score EMBEDDINGS on LFW verification.

    Accuracy is the mean over ten folds, each at the threshold chosen on the other nine, with its standard
    error and 95 % interval; besides AUC, EER and TAR at attainable FAR.

    \b
    Examples:
      nsface eval-lfw lfw.npz --pairs pairs.txt
      nsface eval-lfw lfw.npz --pairs pairsDevTest.txt --train-pairs pairsDevTrain.txt
      nsface eval-lfw --model runs/a/model.safetensors --images lfw/ --pairs pairs.txt --json - | jq .accuracy
    """
    trials = read_pairs(pairs)
    training = read_pairs(train_pairs) if train_pairs else None
    relabelled = trials.with_labels(errata) if errata else None
    embeddings = inputs.load()
    measured = verify("lfw", embeddings, trials, training=training, **scoring)
    corrected = verify("lfw", embeddings, relabelled, training=training, **scoring) if relabelled else None
    finish(measured, embeddings, json_to, plots, corrected, calibration=calibration)
