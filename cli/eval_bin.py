"""`nsface eval-bin`: InsightFace's verification sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from nsface.cli.inputs import network_options, note_zeros
from nsface.cli.overlap_record import note_overlap
from nsface.cli.results import columns, emit, interval, json_option, percent, plots_option
from nsface.cli.verification import calibration_option, scoring_options
from nsface.embeddings.extraction import extract
from nsface.errors import shown
from nsface.images.sources.bin import BinSource
from nsface.protocols import calibrated
from nsface.protocols.bin_file import bin_trials
from nsface.protocols.verification import verify


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@network_options
@scoring_options
@calibration_option
@plots_option
@json_option
def command(
    model: Path,
    files: tuple[Path, ...],
    scoring: dict[str, Any],
    calibration: bool,
    plots: Path | None,
    json_to: str | None,
    **options: Any,
) -> None:
    """Score MODEL on InsightFace verification sets: lfw.bin, cfp_fp.bin, agedb_30.bin, …

    The files are read without unpickling; folds are ten runs of neighbouring pairs.

    \b
    Example:
      nsface eval-bin runs/a/model.safetensors lfw.bin cfp_fp.bin agedb_30.bin
    """
    sets: list[dict[str, Any]] = []
    for file in files:
        source = BinSource(file)
        trials = bin_trials(source.same, source.location)
        with tqdm(total=len(source), unit=" images", desc=shown(file.stem), disable=None) as bar:
            embeddings = extract(str(model), source, progress=bar.update, **options).embeddings
        if not sets:  # once: what it says is the same for all sets
            note_overlap(embeddings)
        note_zeros(embeddings)
        measured = verify(file.stem, embeddings, trials, **scoring)
        sets.append(measured.result() | {"file": str(file)})
        if calibration:
            sets[-1]["calibration"] = calibrated.result(calibrated.calibrate(measured))
        if plots:
            from nsface.report.figures import draw_verification

            draw_verification(plots / file.stem, {file.stem: measured})
    emit(
        {"protocol": "bin", "model": str(model), "flip": options["flip"], "sets": sets}, _table(sets), json_to
    )


def _table(sets: list[dict[str, Any]]) -> str:
    rows = [["set", "pairs", "accuracy", "std. error", "95 % interval", "AUC", "EER"]]
    for result in sets:
        ends = interval(result["confidence_interval"])
        errors = percent(result["standard_error"])
        accuracy, area, rate = percent(result["accuracy"]), percent(result["auc"], 3), percent(result["eer"])
        rows.append([result["protocol"], str(result["pairs"]), accuracy, errors, ends, area, rate])
    if "calibration" in sets[0]:
        rows[0].append("ECE")
        for row, result in zip(rows[1:], sets, strict=True):
            row.append(percent(result["calibration"]["ece"]))
    return columns(rows, indent="")
