"""Images → embeddings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nsface import __version__
from nsface.device import DeviceChoice, PrecisionChoice, pick_device, pick_precision
from nsface.embeddings.file import Embeddings
from nsface.images.pixels import Pixels, Progress, fill, refuse_bad
from nsface.images.sources import Source
from nsface.model import Description, digest, load_model

Flip = Literal["none", "sum", "concat"]


class Extraction(NamedTuple):
    """Embeddings, and the reason for each image that has none."""

    embeddings: Embeddings
    bad: list[str]


def extract(
    model: str | os.PathLike[str],
    source: Source,
    *,
    device: DeviceChoice = "auto",
    precision: PrecisionChoice = "auto",
    flip: Flip = "sum",
    skip_bad: bool = False,
    batch_size: int = 128,
    progress: Progress | None = None,
) -> Extraction:
    """Embed every image of `source` with the network in the file `model`, in the order of the source.

    Args:
        flip: what the mirrored image adds: nothing ("none"), its embedding to the original's ("sum"), or its
            embedding after the original's ("concat", twice the size).
        skip_bad: leave out images that are unreadable or of another size than the model's, and report them.
        progress: called with the number of images done since the last call.

    Raises:
        ModelError: `model` is not a usable model file.
        DataError: bad images without `skip_bad`, or no good ones.
    """
    network, description = load_model(model)
    where = pick_device(device)
    dtype = pick_precision(precision, where)
    network = network.to(where).to(memory_format=torch.channels_last)

    vectors: list[Tensor] = []
    bad: dict[int, str] = {}
    for start, pixels, found in _decoded(source, description, batch_size):
        bad.update({start + position: why for position, why in found.items()})
        good = np.delete(pixels, list(found), axis=0) if found else pixels
        images = torch.from_numpy(good).to(where).permute(0, 3, 1, 2).float()
        vectors.append(_embed(network, description.input.normalise(images), dtype, flip).cpu())
        if progress:
            progress(len(pixels))

    if len(bad) == len(source):
        refuse_bad(source, bad, len(source))
    if not skip_bad:
        refuse_bad(source, bad, len(source), "mend them, or leave them out with --skip-bad")
    names = [name for index, name in enumerate(source.names) if index not in bad]
    meta = {
        "model": os.fspath(model),
        "model_digest": digest(model),
        "flip": flip,
        "precision": str(dtype).removeprefix("torch."),
        "preprocessing": description.input.model_dump(),
        "images_skipped": len(bad),
        "nsface": __version__,
    }
    return Extraction(
        Embeddings(names, torch.cat(vectors).numpy(), meta, source.location), list(bad.values())
    )


def _decoded(
    source: Source, description: Description, batch_size: int
) -> Iterator[tuple[int, Pixels, dict[int, str]]]:
    """Batches of pixels with the position of the first image and the bad ones; the next decodes meanwhile."""
    size = (description.input.height, description.input.width)

    def decode_batch(start: int) -> tuple[int, Pixels, dict[int, str]]:
        indices = range(start, min(start + batch_size, len(source)))
        pixels = np.zeros((len(indices), *size, 3), np.uint8)
        return start, pixels, fill(pixels, source, indices)

    with ThreadPoolExecutor(1) as ahead:
        starts = range(0, len(source), batch_size)
        pending = ahead.submit(decode_batch, 0)
        for following in starts[1:]:
            batch = pending.result()
            pending = ahead.submit(decode_batch, following)
            yield batch
        yield pending.result()


def _embed(network: nn.Module, images: Tensor, dtype: torch.dtype, flip: Flip) -> Tensor:
    with torch.inference_mode(), torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
        original: Tensor = network(images).float()
        if flip == "none":
            return original
        mirrored: Tensor = network(images.flip(3)).float()
    return original + mirrored if flip == "sum" else torch.cat([original, mirrored], dim=1)
