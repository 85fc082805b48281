"""`nsface eval-bin`: InsightFace's verification sets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from nsface.cli.results import columns, emit, json_option, percent
from nsface.cli.verification import plots_option, scoring_options
from nsface.embeddings.extraction import extract
from nsface.images.sources import Source
from nsface.protocols.bin_file import read_bin
from nsface.protocols.verification import verify


class BinSource(Source):
    """The images of a `.bin` file."""

    def __init__(self, location: str, names: list[str], images: list[bytes]) -> None:
        self.location, self.names, self._images = location, names, images

    def read(self, index: int) -> bytes:
        return self._images[index]

    def stamps(self) -> Iterable[str]:
        return (hashlib.sha256(image).hexdigest() for image in self._images)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto", show_default=True)
@click.option("--flip", type=click.Choice(["none", "sum", "concat"]), default="sum", show_default=True)
@scoring_options
@plots_option
@json_option
def command(
    model: Path,
    files: tuple[Path, ...],
    scoring: dict[str, Any],
    plots: Path | None,
    json_to: str | None,
    **options: Any,
) -> None:
    """Score MODEL on InsightFace verification sets: lfw.bin, cfp_fp.bin, agedb_30.bin, …

    The files are read without unpickling; folds are ten runs of neighbouring pairs.
    """
    sets = []
    for file in files:
        loaded = read_bin(file)
        names = [f"{number:06d}" for number in range(len(loaded.images))]
        source = BinSource(str(file), names, loaded.images)
        with tqdm(total=len(source), unit=" images", desc=file.stem, disable=None) as bar:
            embeddings = extract(str(model), source, progress=bar.update, **options).embeddings
        measured = verify(file.stem, embeddings, loaded.trials, **scoring)
        sets.append(measured.result() | {"file": str(file)})
        if plots:
            from nsface.report.figures import draw_verification

            draw_verification(plots / file.stem, {file.stem: measured})
    emit(
        {"protocol": "bin", "model": str(model), "flip": options["flip"], "sets": sets}, _table(sets), json_to
    )


def _table(sets: list[dict[str, Any]]) -> str:
    rows = [("set", "pairs", "accuracy", "std. error", "95 % interval", "AUC", "EER")]
    for result in sets:
        low, high = result["confidence_interval"]
        interval = f"{100 * low:.2f} – {percent(high)}"
        errors = percent(result["standard_error"])
        accuracy, area, rate = percent(result["accuracy"]), percent(result["auc"], 3), percent(result["eer"])
        rows.append((result["protocol"], str(result["pairs"]), accuracy, errors, interval, area, rate))
    return columns(rows, indent="")
