"""`nsface eval-pairs`: any list of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nsface.cli.inputs import Inputs, embeddings_options
from nsface.cli.results import json_option, note, plots_option
from nsface.cli.verification import calibration_option, finish, pairs_option, scoring_options
from nsface.errors import shown
from nsface.protocols.pairs import FOLDS, read_pairs, with_disjoint_folds
from nsface.protocols.verification import verify


@click.command()
@embeddings_options
@pairs_option("name<TAB>name<TAB>0|1 a line, and perhaps <TAB>fold; or pairs_CPLFW.txt, pairs_CALFW.txt.")
@scoring_options
@calibration_option
@plots_option
@json_option
def command(
    inputs: Inputs,
    pairs: Path,
    scoring: dict[str, Any],
    calibration: bool,
    plots: Path | None,
    json_to: str | None,
) -> None:
    """Score EMBEDDINGS on your own list of pairs, or on CPLFW or CALFW.

    Accuracy needs folds: those of the list, or ten that share no person where such can be made (a person is
    the folder of a name).

    \b
    Examples:
      nsface eval-pairs faces.npz --pairs my-pairs.txt
      nsface eval-pairs cplfw.npz --pairs pairs_CPLFW.txt
    """
    trials = read_pairs(pairs)
    folds = "given"
    if trials.folds < 2:
        made = with_disjoint_folds(trials)
        folds = f"{FOLDS}, made so that none share a person" if made else "none"
        trials = made or trials
        if not made:
            note(f"{shown(pairs)}: {FOLDS} disjoint folds cannot be made: no accuracy; add a fold column")
    embeddings = inputs.load()
    finish(
        verify("pairs", embeddings, trials, **scoring),
        embeddings,
        json_to,
        plots,
        extra={"fold_source": folds},
        calibration=calibration,
    )
