"""`nsface inspect`."""

from __future__ import annotations

from pathlib import Path

import click

from nsface.cli.numbers import WORKERS
from nsface.cli.output import emit, json_option, plots_option
from nsface.errors import DataError


@click.command(name="inspect")
@click.argument("data", metavar="DATA")
@click.option("--deep", is_flag=True, help="Also compare all bytes of a packed store with their checksums.")
@plots_option
@click.option("--workers", metavar="N", type=WORKERS, help="Threads.  [default: one per core]")
@json_option
def command(data: str, deep: bool, plots: Path | None, workers: int | None, json_to: str | None) -> None:
    """Say what is in DATA, and what is wrong with it. Every image is decoded.

    DATA is anything that `nsface pack` takes, or a store. The table names the first ten images with each
    fault; the JSON object names all of them. --plots draws the mean face with the template's five points, a
    contact sheet, equal and similar images, and a histogram of the number of images per identity.

    \b
    Examples:
      nsface inspect casia/ --plots casia-looks/
      nsface inspect webface.store --deep
      nsface inspect faces.tar --json - | jq -r '.unreadable[].name'
    """
    from tqdm import tqdm

    from nsface.images.inspection.result import inspect
    from nsface.images.inspection.scan import scan
    from nsface.images.sources import StoreSource, open_source

    source = open_source(data)
    damaged = None
    if deep:
        if not isinstance(source, StoreSource):
            raise DataError(f"{data} is a {source.kind}, without checksums; --deep is for packed stores")
        with tqdm(total=len(source), desc="checking", unit=" images", disable=None) as bar:
            damaged = source.verify(bar.update)
    with tqdm(total=len(source), desc="decoding", unit=" images", disable=None) as bar:
        scanned = scan(source, workers, bar.update)
    inspection = inspect(source, scanned, damaged)
    if plots:
        from nsface.report.data_figures import draw_inspection

        draw_inspection(plots, source, inspection.to_json(), scanned.mean_face)
    emit(inspection.to_json(), inspection.table(), json_to)
