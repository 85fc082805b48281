"""`nsface eval-bin`: InsightFace's verification sets, which a model is scored on from their own images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from nsface.cli.evaluate import build_protocol, draw, protocol_options
from nsface.cli.inputs import LOADING, network_options, note_overlap, note_zeros
from nsface.cli.output import emit_result, json_option, note_all, plots_option
from nsface.embeddings.extraction import extract
from nsface.embeddings.model import Flip, load_model
from nsface.errors import shown
from nsface.images.sources.bin import BinSource
from nsface.protocols.bin_file import Bin, bin_trials
from nsface.results import Verification, VerificationSets


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@network_options
@protocol_options(Bin, without=("pairs", "groups", "garbe_alpha"))
@plots_option
@json_option
def command(
    model: Path,
    files: tuple[Path, ...],
    flip: Flip,
    plots: Path | None,
    json_to: str | None,
    **given: Any,
) -> None:
    """Score MODEL on InsightFace verification sets: lfw.bin, cfp_fp.bin, agedb_30.bin, …

    The files are read without unpickling. The ten folds are consecutive runs of pairs.

    \b
    Example:
      nsface eval-bin runs/a/model.safetensors lfw.bin cfp_fp.bin agedb_30.bin
    """
    sources = [BinSource(file) for file in files]
    network = load_model(model, **{name: given.pop(name) for name in LOADING})
    sets: list[Verification] = []
    for file, source in zip(files, sources, strict=True):
        trials = bin_trials(source.same, source.location)
        with tqdm(total=len(source), unit=" images", desc=shown(file.stem), disable=None) as bar:
            made = extract(network, source, flip=flip, progress=bar.update)
        note_all(made.notes)
        embeddings = made.embeddings
        if not sets:  # once: what it says is the same for all sets
            note_overlap(embeddings)
        note_zeros(embeddings)
        measured = build_protocol(Bin, {"pairs": file, **given}).measure(embeddings, trials)
        note_all(measured.notes)
        measured = replace(measured, protocol=file.stem, details={"file": str(file)})
        sets.append(measured.result())
        if plots:
            draw(plots / file.stem, {file.stem: (measured, sets[-1])})
    emit_result(VerificationSets(model=str(model), flip=flip, sets=tuple(sets)), json_to)
