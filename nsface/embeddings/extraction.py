"""Images → embeddings: one an image, or one a template pooled from many; by one network or by several."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nsface import __version__
from nsface.device import DeviceChoice, PrecisionChoice, pick_device, pick_precision
from nsface.embeddings.file import Embeddings
from nsface.embeddings.fusion import fused_meta
from nsface.embeddings.pooling import TemplatePool, template_meta
from nsface.errors import DataError, ModelError
from nsface.images.pixels import Pixels, Progress, decode_into, raise_if_unusable
from nsface.images.rendered import rendered_meta
from nsface.images.sources import Source
from nsface.metrics.similarity import unit
from nsface.model import Description, digest, load_model

Flip = Literal["none", "sum", "concat"]
Path = str | os.PathLike[str]


class Extraction(NamedTuple):
    """Embeddings, the reason for each image that has none, and templates that were left without any image."""

    embeddings: Embeddings
    bad: list[str]
    empty: list[str]


def extract(
    models: Path | Sequence[Path],
    source: Source,
    *,
    templates: Sequence[str | None] | None = None,
    device: DeviceChoice = "auto",
    precision: PrecisionChoice = "auto",
    flip: Flip = "sum",
    skip_bad: bool = False,
    batch_size: int = 128,
    progress: Progress | None = None,
) -> Extraction:
    """Embed every image of `source` with the network in the file `models`, in the order of the source.

    Args:
        models: a model file, or several: then each network's embedding is normalised, and they are
            concatenated.
        templates: for each image the template that it belongs to, or None to leave it out. A template is the
            normalised mean of its images' normalised embeddings; images are pooled as they come, so memory
            grows with the number of templates only.
        flip: what the mirrored image adds: nothing ("none"), its embedding to the original's ("sum"), or its
            embedding after the original's ("concat", twice the size).
        skip_bad: leave out images that are unreadable or of another size than the model's, and report them.
        progress: called with the number of images done since the last call.

    Raises:
        ModelError: a file is not a usable model, or the models need different images.
        DataError: bad images without `skip_bad`, no good ones, or none that belongs to a template.
    """
    paths = [models] if isinstance(models, str | os.PathLike) else list(models)
    where = pick_device(device)
    ensemble = _Ensemble(paths, where, pick_precision(precision, where), flip)
    indices = [i for i in range(len(source)) if templates is None or templates[i] is not None]
    if not indices:
        raise DataError(f"{source.location}: none of its {len(source)} images belongs to a template")
    vectors: list[npt.NDArray[np.float32]] = []
    pool = TemplatePool(ensemble.size)
    bad: dict[int, str] = {}
    for part, pixels, found in _decoded(source, indices, ensemble.description, batch_size):
        bad.update({part[position]: why for position, why in found.items()})
        embedded = ensemble.embed(np.delete(pixels, list(found), axis=0) if found else pixels)
        if templates is None:
            vectors.append(embedded)
        else:
            pool.add([str(templates[i]) for i in part if i not in bad], embedded)
        if progress:
            progress(len(pixels))

    if len(bad) == len(indices):
        raise_if_unusable(source, bad, len(indices))
    if not skip_bad:
        raise_if_unusable(source, bad, len(indices), "mend them, or leave them out with --skip-bad")
    meta = ensemble.meta() | {"images_skipped": len(bad)} | rendered_meta(source.location)
    if templates is None:
        names = [source.names[i] for i in indices if i not in bad]
        return Extraction(
            Embeddings(names, np.concatenate(vectors), meta, source.location), list(bad.values()), []
        )
    names, means, counts = pool.result()
    made = Embeddings(names, means, meta | template_meta(counts), source.location)
    empty = sorted({str(templates[i]) for i in bad} - set(names))
    return Extraction(made, list(bad.values()), empty)


@dataclass(frozen=True)
class _Member:
    """One network of an ensemble, on its device."""

    path: str
    network: nn.Module
    description: Description


class _Ensemble:
    """The networks of model files that take the same images."""

    def __init__(self, paths: Sequence[Path], device: torch.device, dtype: torch.dtype, flip: Flip) -> None:
        self._device, self._dtype, self._flip = device, dtype, flip
        self._members = []
        for path in paths:
            network, description = load_model(path)
            network = network.to(device).to(memory_format=torch.channels_last)
            self._members.append(_Member(os.fspath(path), network, description))
        self.description = self._members[0].description
        for member in self._members[1:]:
            self._check(member)

    def _check(self, other: _Member) -> None:
        """The networks see the same images: normalisation may differ, size and alignment may not."""
        first, second = self._members[0], other
        for what in ("height", "width", "template", "colour"):
            one, two = (getattr(member.description.input, what) for member in (first, second))
            if one != two:
                raise ModelError(
                    f"{second.path}: it needs images of {what} {two}, and {first.path} of {what} {one}; "
                    "extract with each from its own images, then `nsface fuse` the files"
                )

    @property
    def size(self) -> int:
        """Length of an embedding."""
        sides = 2 if self._flip == "concat" else 1
        return sides * sum(member.description.embedding_size for member in self._members)

    def embed(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """uint8 pixels, B × H × W × 3 → embeddings, B × D."""
        images = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2).float()
        parts = []
        for member in self._members:
            normalised = member.description.input.normalise(images)
            parts.append(_embed(member.network, normalised, self._dtype, self._flip).cpu().numpy())
        return parts[0] if len(parts) == 1 else np.concatenate([unit(part) for part in parts], axis=1)

    def meta(self) -> dict[str, Any]:
        """How the embeddings are made."""
        metas = [
            {
                "model": member.path,
                "model_digest": digest(member.path),
                "flip": self._flip,
                "precision": str(self._dtype).removeprefix("torch."),
                "preprocessing": member.description.input.model_dump(),
                "nsface": __version__,
            }
            for member in self._members
        ]
        return metas[0] if len(metas) == 1 else fused_meta(metas)


def _decoded(
    source: Source, indices: Sequence[int], description: Description, batch_size: int
) -> Iterator[tuple[Sequence[int], Pixels, dict[int, str]]]:
    """Batches of image numbers with their pixels and the places of bad ones; the next decodes meanwhile."""
    size = (description.input.height, description.input.width)

    def decode_batch(start: int) -> tuple[Sequence[int], Pixels, dict[int, str]]:
        part = indices[start : start + batch_size]
        pixels = np.zeros((len(part), *size, 3), np.uint8)
        return part, pixels, decode_into(pixels, source, part)

    with ThreadPoolExecutor(1) as ahead:
        starts = range(0, len(indices), batch_size)
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
