"""`nsface pack`."""

from __future__ import annotations

from pathlib import Path

import click

from nsface.cli.numbers import WORKERS
from nsface.cli.output import note, say


@click.command(name="pack")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="STORE", type=click.Path(path_type=Path))
@click.option("--encoded", is_flag=True, help="Keep the encoded bytes instead of the pixels.")
@click.option("--folder", is_flag=True, help="Write a folder of images instead of a store.")
@click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be used, and name them.")
@click.option("--workers", metavar="N", type=WORKERS, help="Threads.  [default: one per core]")
def command(
    source: str, target: Path, encoded: bool, folder: bool, skip_bad: bool, workers: int | None
) -> None:
    """Pack the images of SRC into the new folder STORE, from which training reads without decoding.

    SRC is a folder, a list of paths (with or without labels), a tar or shards{0000..0123}.tar, an MXNet .rec,
    an InsightFace .bin, LMDB, Parquet, or a store. Every image is decoded once. The store appears
    when it is complete. After an interruption the same command continues.

    \b
    Examples:
      nsface pack casia.tar casia.store
      nsface pack faces_webface_112x112/train.rec webface.store
      nsface pack ms1m/train.rec ms1m.store --encoded          as small as the .rec, decoded in training
      nsface pack faces_webface_112x112/train.rec webface/ --folder      back to IDENTITY/IMAGE.jpg
    """
    from tqdm import tqdm

    from nsface.images.sources import open_source
    from nsface.images.store.packing import pack
    from nsface.images.store.unpacking import write_folder

    if encoded and folder:
        raise click.UsageError("--encoded is about a store; a folder always has the encoded images")
    opened = open_source(source)
    if opened.unread_note:
        note(opened.unread_note)
    with tqdm(total=len(opened), desc="packing", unit=" images", disable=None) as bar:
        if folder:
            bad = write_folder(opened, target, skip_bad=skip_bad, workers=workers, progress=bar.update)
            identities = f"{len(set(opened.identities) - {''})} identities"
        else:
            packed = pack(
                opened, target, encoded=encoded, skip_bad=skip_bad, workers=workers, progress=bar.update
            )
            bad, identities = packed.bad, f"{packed.identities} identities"
    for reason in bad:
        say(f"left out {reason}")
    skipped = f", {len(bad)} left out" if bad else ""
    say(f"{target}: {len(opened) - len(bad)} images of {identities}{skipped}")
