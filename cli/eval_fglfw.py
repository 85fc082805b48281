"""`nsface eval-fglfw`: LFW with look-alike mismatched pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nsface.cli.inputs import Inputs, embeddings_options
from nsface.cli.results import json_option, note, plots_option
from nsface.cli.verification import calibration_option, finish, pairs_option, scoring_options
from nsface.protocols.fglfw import FOLDS, NAME, PAIRS, protocol_name, read_pairs
from nsface.protocols.verification import verify


@click.command()
@embeddings_options
@pairs_option("pair_FGLFW.txt.")
@click.option(
    "--name", help="What to call another list of the same form.  [default: fglfw by its size, or fglfw-like]"
)
@scoring_options
@calibration_option
@plots_option
@json_option
def command(
    inputs: Inputs,
    pairs: Path,
    name: str | None,
    scoring: dict[str, Any],
    calibration: bool,
    plots: Path | None,
    json_to: str | None,
) -> None:
    """Score EMBEDDINGS on FGLFW (SLLFW): ten folds of 300 matched and 300 look-alike mismatched pairs.

    A list of the same form with another number of pairs is scored too, under the name fglfw-like.

    \b
    Example:
      nsface eval-fglfw lfw.npz --pairs pair_FGLFW.txt
    """
    trials = read_pairs(pairs)
    honest = protocol_name(trials)
    if honest != NAME:
        if name == NAME:
            raise click.UsageError(f"{pairs} has {len(trials)} pairs: it is not FGLFW; choose another --name")
        note(
            f"{pairs}: {len(trials)} pairs, not the {2 * PAIRS * FOLDS:,} of FGLFW: the result is called "
            f"'{name or honest}'"
        )
    embeddings = inputs.load()
    measured = verify(name or honest, embeddings, trials, **scoring)
    finish(measured, embeddings, json_to, plots, calibration=calibration)
