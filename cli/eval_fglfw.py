"""`nsface eval-fglfw`: LFW with look-alike mismatched pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nsface.cli.inputs import Inputs, embeddings_options
from nsface.cli.results import json_option
from nsface.cli.verification import finish, pairs_option, plots_option, scoring_options
from nsface.protocols.fglfw import read_pairs
from nsface.protocols.verification import verify


@click.command()
@embeddings_options
@pairs_option("pair_FGLFW.txt.")
@click.option("--name", default="fglfw", show_default=True, help="What to call a list of the same form.")
@scoring_options
@plots_option
@json_option
def command(
    inputs: Inputs, pairs: Path, name: str, scoring: dict[str, Any], plots: Path | None, json_to: str | None
) -> None:
    """Score EMBEDDINGS on FGLFW (SLLFW): ten folds of 300 matched and 300 look-alike mismatched pairs."""
    trials = read_pairs(pairs)
    embeddings = inputs.load()
    finish(verify(name, embeddings, trials, **scoring), embeddings, json_to, plots)
