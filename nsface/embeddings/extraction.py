"""The extraction of embeddings: of each image, or of templates pooled from several images."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nsface.device import DeviceChoice, PrecisionChoice
from nsface.embeddings.file import Embeddings
from nsface.embeddings.fusion import fused_meta
from nsface.embeddings.model import Flip, Model, channels_first, check_options, load_model
from nsface.embeddings.pooling import TemplatePool, template_meta
from nsface.errors import DataError, ModelError, listing
from nsface.images.alignment.record import alignment_meta
from nsface.images.fitting import Fit
from nsface.images.pixels import Pixels, Progress, decode_into, raise_if_unusable
from nsface.images.rendered import rendered_meta
from nsface.images.sources import Source
from nsface.vectors import unit

AnyModel = Model | str | os.PathLike[str]


class Extraction(NamedTuple):
    """The result of an extraction.

    Attributes:
        embeddings: of the images, or of the templates.
        bad: the reason for each image that has no embedding.
        empty: names of templates of which no image could be used.
        notes: sentences on what was done to the images.
    """

    embeddings: Embeddings
    bad: list[str]
    empty: list[str]
    notes: list[str]


class _Batch(NamedTuple):
    """Decoded images: their numbers in the source, their pixels, and the reasons for bad ones by position."""

    indices: Sequence[int]
    pixels: Pixels
    bad: dict[int, str]

    def good_pixels(self) -> Pixels:
        return np.delete(self.pixels, list(self.bad), axis=0) if self.bad else self.pixels


def extract(
    models: AnyModel | Sequence[AnyModel],
    source: Source,
    *,
    templates: Sequence[str | None] | None = None,
    device: DeviceChoice = "auto",
    precision: PrecisionChoice = "auto",
    preprocessing: Mapping[str, Any] | None = None,
    preset: str | None = None,
    onnx_output: str | None = None,
    flip: Flip = "sum",
    skip_bad: bool = False,
    batch_size: int = 128,
    progress: Progress | None = None,
) -> Extraction:
    """Embed every image of `source` with the network in the file `models`, in the order of the source.

    Images of another size are padded or cut where the model's template allows it (`nsface.images.fitting`).

    Args:
        models: a model file or what `load_model` made of it, or several, whose embeddings are then normalised
            and concatenated.
        device, precision, preprocessing, preset, onnx_output: as for `load_model`, for those that are files.
        templates: for each image the template that it belongs to, or None to leave the image out. A template
            is the normalised mean of its images' normalised embeddings. Images are pooled as they are read,
            so that memory grows with the number of templates only.
        flip: the mirrored image's embedding is not used ("none"), added ("sum"), or appended ("concat").
        skip_bad: leave out images that are unreadable or of another size than the model's, and report them.
        progress: called with the number of images done since the last call.

    Raises:
        ModelError: a file is not a usable model, or the models need different images.
        DataError: there are bad images and not `skip_bad`, all are bad, or none belongs to a template.
        NsfaceError: there is no such `flip`, device or precision, or `batch_size` is below 1.

    Example:
        >>> made = extract("model.safetensors", open_source("faces/"))  # doctest: +SKIP
        >>> made.embeddings.vectors.shape  # doctest: +SKIP
        (13233, 512)
    """
    check_options(flip, batch_size)
    given = [models] if isinstance(models, Model | str | os.PathLike) else list(models)
    load = partial(
        load_model,
        device=device,
        precision=precision,
        preprocessing=preprocessing,
        preset=preset,
        onnx_output=onnx_output,
    )
    loaded = [one if isinstance(one, Model) else load(one) for one in given]
    ensemble = _Ensemble(loaded, flip)
    indices = [i for i in range(len(source)) if templates is None or templates[i] is not None]
    if not indices:
        raise DataError(f"{source.location}: none of its {len(source)} images belongs to a template")
    vectors: list[npt.NDArray[np.float32]] = []
    pool = TemplatePool(ensemble.size)
    bad: dict[int, str] = {}
    fit = Fit(ensemble.input)
    for batch in _decoded_batches(source, indices, fit, batch_size):
        bad.update({batch.indices[position]: why for position, why in batch.bad.items()})
        embedded = ensemble.embed(batch.good_pixels())
        if templates is None:
            vectors.append(embedded)
        else:
            pool.add([str(templates[i]) for i in batch.indices if i not in bad], embedded)
        if progress:
            progress(len(batch.indices))
    _check(source, bad, len(indices), skip_bad)
    meta = ensemble.meta() | fit.meta() | {"images_skipped": len(bad)}
    meta |= rendered_meta(source.location) | alignment_meta(source.location)
    notes = fit.notes(source.location)
    if templates is None:
        names = [source.names[i] for i in indices if i not in bad]
        made = Embeddings(names, np.concatenate(vectors), meta, source.location)
        return Extraction(made, list(bad.values()), [], notes)
    names, means, counts = pool.result()
    made = Embeddings(names, means, meta | template_meta(counts), source.location)
    empty = sorted({str(templates[i]) for i in bad} - set(names))
    return Extraction(made, list(bad.values()), empty, notes)


def _check(source: Source, bad: dict[int, str], total: int, skip_bad: bool) -> None:
    """Raise a DataError about the `bad` images, where these are not skipped or no other images are left."""
    if len(bad) == total:
        raise_if_unusable(source, bad, total)
    if not skip_bad:
        raise_if_unusable(source, bad, total, "mend them, or leave them out with --skip-bad")


def folder_templates(names: Sequence[str], depth: int, location: str) -> list[str]:
    """The template of each image, for `extract`: the first `depth` folders of its name.

    Args:
        location: the name of the images in messages.

    Raises:
        DataError: images lie in fewer folders.

    Example:
        >>> folder_templates(["Ada/0/001.jpg", "Ada/0/002.jpg"], 2, "frames")
        ['Ada/0', 'Ada/0']
    """
    shallow = [name for name in names if name.count("/") < depth]
    if shallow:
        raise DataError(
            f"{location}: {len(shallow)} images do not lie in {depth} folders: {listing(shallow, 3)}; give a "
            "smaller --template-depth (folders common to all images do not count)"
        )
    return ["/".join(name.split("/")[:depth]) for name in names]


class _Ensemble:
    """One or several models, which all take the same images."""

    def __init__(self, models: Sequence[Model], flip: Flip) -> None:
        self._models, self._flip = models, flip
        self.input = models[0].input
        for model in models[1:]:
            self._require_same_images(models[0], model)

    @staticmethod
    def _require_same_images(first: Model, second: Model) -> None:
        """Raise a ModelError where two networks need other images; colour and normalisation may differ."""
        for what in ("height", "width", "template"):
            one, two = (getattr(model.input, what) for model in (first, second))
            if one != two:
                raise ModelError(
                    f"{second.path}: it needs images of {what} {two}, and {first.path} of {what} {one}; "
                    "extract with each from its own images, then `nsface fuse` the files"
                )

    @property
    def size(self) -> int:
        """Length of an embedding."""
        sides = 2 if self._flip == "concat" else 1
        return sides * sum(model.embedding_size for model in self._models)

    def embed(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """The embeddings, float32, B × D, of images in RGB, uint8, B × H × W × 3."""
        images = channels_first(pixels)
        parts = [model.embed_batch(images, self._flip) for model in self._models]
        return parts[0] if len(parts) == 1 else np.concatenate([unit(part) for part in parts], axis=1)

    def meta(self) -> dict[str, Any]:
        """The `meta` of an embeddings file: how its embeddings were made."""
        metas = [model.meta(self._flip) for model in self._models]
        return metas[0] if len(metas) == 1 else fused_meta(metas)


def _decoded_batches(source: Source, indices: Sequence[int], fit: Fit, batch_size: int) -> Iterator[_Batch]:
    """The images `indices` in batches; while one is used, the next is decoded."""

    def decode_batch(start: int) -> _Batch:
        part = indices[start : start + batch_size]
        pixels = np.zeros((len(part), fit.height, fit.width, 3), np.uint8)
        return _Batch(part, pixels, decode_into(pixels, source, part, fit=fit))

    with ThreadPoolExecutor(1) as ahead:
        starts = range(0, len(indices), batch_size)
        pending = ahead.submit(decode_batch, 0)
        for following in starts[1:]:
            batch = pending.result()
            pending = ahead.submit(decode_batch, following)
            yield batch
        yield pending.result()
