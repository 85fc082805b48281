"""Speed of the data's way: packing, reading a store, and batches on the training device.

python benchmarks/data.py faces.tar [--work FOLDER] [--device cuda]

Images per second of wall time, and per core: per second of processor time, of this process and its workers
together. For comparison a DataLoader over torchvision's ImageFolder, which decodes with Pillow in two
workers, reads the same images from a folder (needs torchvision and Pillow). The first pass over the files is
not counted: all of them are in memory.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import torch

from nsface.images.batches.augmentation import Augmentation
from nsface.images.batches.loader import Loader
from nsface.images.batches.sampling import Shuffled
from nsface.images.batches.streaming import StreamingLoader
from nsface.images.pixels import load_pixels
from nsface.images.sources import Source, StoreSource, numbered, open_source
from nsface.images.store.packing import pack
from nsface.images.store.unpacking import write_folder

BATCH = 256


class Table:
    """Rows of a Markdown table, printed as they come."""

    def __init__(self) -> None:
        click.echo("| what | images/s | images/s per core |\n|---|---|---|")

    @contextmanager
    def row(self, what: str) -> Iterator[Callable[[int], None]]:
        """Time what is done inside; it calls the function yielded with its number of images."""
        images = 0

        def count(number: int) -> None:
            nonlocal images
            images += number

        start, used = time.perf_counter(), processor_seconds()
        yield count
        wall, used = time.perf_counter() - start, processor_seconds() - used
        click.echo(f"| {what} | {images / wall:,.0f} | {images / used:,.0f} |")


def processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@click.command()
@click.argument("faces")
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), help="Folder for what is written.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--epochs", default=3, show_default=True, help="Passes over the images in each row of reading.")
def main(faces: str, work: Path | None, device: str, epochs: int) -> None:
    """Measure; run it where nothing else runs."""
    source = open_source(faces)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        table = Table()
        for name, encoded in (("pixels", False), ("encoded", True)):
            with table.row(f"pack, {name}") as count:
                pack(source, Path(folder) / name, encoded=encoded, progress=count)
        write_folder(source, Path(folder) / "images")
        store = open_source(str(Path(folder) / "pixels"))
        assert isinstance(store, StoreSource)
        assert store.pixel_file is not None
        height, width = store.pixel_file.shape[1:3]
        read_folder(table, Path(folder) / "images", epochs)
        with table.row("decode the tar") as count:
            load_pixels(source, range(len(source)), height, width, progress=count)
        stream(table, source, height, width, epochs)
        store.pixel_file.block(0, len(store))
        read_store(table, store, epochs)
        for where in dict.fromkeys(["cpu", device]):
            train_batches(table, store, torch.device(where), epochs)


def read_folder(table: Table, folder: Path, epochs: int) -> None:
    """Shuffled uint8 batches the usual way."""
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import PILToTensor

    for path in folder.rglob("*.*"):
        path.read_bytes()
    loader = DataLoader(ImageFolder(folder, PILToTensor()), BATCH, shuffle=True, num_workers=2)
    with table.row("ImageFolder, Pillow, 2 workers: uint8 batches") as count:
        for _ in range(epochs):
            for images, _ in loader:
                count(len(images))


def stream(table: Table, source: Source, height: int, width: int, epochs: int) -> None:
    """What training gets from images that two workers decode meanwhile: float32, nothing done to them."""
    labels, _ = numbered(source.identities)
    sampler = Shuffled(len(source), BATCH, seed=0)
    settings = (labels, sampler, Augmentation(mirror=False), 0, torch.device("cpu"))
    with (
        table.row("streaming, 2 workers: float32 batches") as count,
        StreamingLoader(source, range(len(source)), height, width, 2, *settings) as loader,
    ):
        for epoch in range(epochs):
            for images, _ in loader.epoch(epoch):
                count(len(images))


def read_store(table: Table, store: StoreSource, epochs: int) -> None:
    """Shuffled uint8 batches from the store."""
    assert store.pixel_file is not None
    sampler = Shuffled(len(store), BATCH, seed=0)
    with table.row("store: uint8 batches") as count:
        for epoch in range(epochs):
            for chosen in sampler.epoch(epoch, 0):
                count(len(store.pixel_file.gather(chosen.numpy())))


def train_batches(table: Table, store: StoreSource, device: torch.device, epochs: int) -> None:
    """What training gets: shuffled, mirrored, shifted, float32, on the device."""
    assert store.pixel_file is not None
    labels, _ = numbered(store.identities)
    sampler = Shuffled(len(store), BATCH, seed=0)
    loader = Loader(store.pixel_file, labels, sampler, Augmentation(mirror=True, shift=4), 0, device)
    if device.type == "cuda":
        for _ in loader.epoch(0):  # the first calls set things up
            pass
        torch.cuda.synchronize()
        epochs *= 20
    with table.row(f"loader on {device}: mirrored and shifted float32 batches") as count:
        for epoch in range(epochs):
            for images, _ in loader.epoch(epoch):
                count(len(images))
        if device.type == "cuda":
            torch.cuda.synchronize()


if __name__ == "__main__":
    main()
