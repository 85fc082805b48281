"""The extraction of embeddings: of each image, or of templates pooled from several images."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nsface.device import DeviceChoice, PrecisionChoice, pick_device
from nsface.embeddings.batches import Batch, batched, embedded
from nsface.embeddings.ensemble import Ensemble
from nsface.embeddings.file import Embeddings, check_target
from nsface.embeddings.model import Flip, Model, check_options, load_model
from nsface.embeddings.output import BatchEntry, InMemory, IntoFile, Nowhere, Output, Pooled
from nsface.errors import DataError, listing
from nsface.images.alignment.aligner import AlignedSource, Aligner, PointSource
from nsface.images.alignment.record import alignment_meta
from nsface.images.fitting import Fit, template_of
from nsface.images.pixels import Progress, raise_if_unusable
from nsface.images.rendered import rendered_meta
from nsface.images.sources import NO_IMAGES, Source
from nsface.preprocessing import Preprocessing
from nsface.ranks import ALONE, Ranks

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
    align: PointSource | None = None,
    skip_bad: bool = False,
    batch_size: int = 128,
    output: str | os.PathLike[str] | None = None,
    ranks: Ranks = ALONE,
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
        align: where the five points of a face are, for images that are not aligned yet: each is aligned to
            the template of the models as `nsface.images.alignment.aligning.align` does it. An image without a
            face is a bad image.
        skip_bad: leave out images that are unreadable or of another size than the model's, and report them.
        output: the embeddings file to write, `.npz` or `.npy`, as they are made, so that memory does not grow
            with their number. An extraction that was interrupted goes on where it was, to the same bytes; see
            `nsface.embeddings.output`.
        ranks: the processes that embed the images together, each some of the batches. All get the same
            embeddings; with `output`, the first writes them and the others get none.
        progress: called with the number of images done since the last call; first with those done already.

    Raises:
        ModelError: a file is not a usable model, or the models need different images.
        DataError: there are bad images and not `skip_bad`, all are bad, or none belongs to a template.
        NsfaceError: there is no such `flip`, device or precision, or `batch_size` is below 1; or `output`
            cannot be written, or is the unfinished work of another call.

    Example:
        >>> made = extract("model.safetensors", open_source("faces/"))  # doctest: +SKIP
        >>> made.embeddings.vectors.shape  # doctest: +SKIP
        (13233, 512)
    """
    check_options(flip, batch_size)
    if output is not None:
        check_target(output)
    loading = (device, precision, preprocessing, preset, onnx_output)
    ensemble = Ensemble(_loaded(models, ranks, *loading), flip)
    return _extract(ensemble, source, templates, align, skip_bad, batch_size, output, ranks, progress)


def _loaded(
    models: AnyModel | Sequence[AnyModel],
    ranks: Ranks,
    device: DeviceChoice,
    precision: PrecisionChoice,
    preprocessing: Mapping[str, Any] | None,
    preset: str | None,
    onnx_output: str | None,
) -> list[Model]:
    """The models, those that are files read on the device of this rank."""
    if ranks.count > 1:
        ranks.place(pick_device(device))
    load = partial(
        load_model,
        device=device,
        precision=precision,
        preprocessing=preprocessing,
        preset=preset,
        onnx_output=onnx_output,
    )
    given = [models] if isinstance(models, Model | str | os.PathLike) else models
    return [one if isinstance(one, Model) else load(one) for one in given]


def _extract(
    ensemble: Ensemble,
    source: Source,
    templates: Sequence[str | None] | None,
    align: PointSource | None,
    skip_bad: bool,
    batch_size: int,
    output: str | os.PathLike[str] | None,
    ranks: Ranks,
    progress: Progress | None,
) -> Extraction:
    """What `extract` does, with models that are loaded."""
    settings: dict[str, Any] = {}
    if align is not None:
        aligner = Aligner(template_of(ensemble.input), align)
        source, settings["alignment"] = AlignedSource(source, aligner), aligner.describe()
    chosen = None if templates is None else _in_templates(source, templates)
    tally = _Tally(ensemble.input, chosen)
    with _output(output, ensemble, settings | {"batch_size": batch_size}, source, templates, ranks) as to:
        batches = batched(source.arriving() if chosen is None else chosen, batch_size)
        resumed = _embed(source, batches, ensemble, to, tally, ranks, progress)
        bad = tally.reasons(source)
        if not tally.count:
            raise DataError(f"{source.location}: {NO_IMAGES}")
        _check(source, bad, tally.count, skip_bad)
        meta = ensemble.meta() | tally.fit.meta() | {"images_skipped": len(bad)}
        meta |= rendered_meta(source.location) | alignment_meta(source.location) | settings
        made = to.finish(tally.names(source), meta, source.location)
    notes = tally.fit.notes(source.location)
    if resumed:
        notes.insert(0, f"{output}: {resumed} of {tally.count} images were done by an interrupted call")
    empty = sorted({str(templates[index]) for index in bad} - set(made.names)) if templates else []
    return Extraction(made, list(bad.values()), empty, notes)


def _in_templates(source: Source, templates: Sequence[str | None]) -> list[int]:
    """The numbers of the images that belong to a template.

    Raises:
        DataError: none does.
    """
    chosen = [index for index, template in enumerate(templates) if template is not None]
    if not chosen:
        raise DataError(f"{source.location}: none of its {len(source)} images belongs to a template")
    return chosen


def _output(
    output: str | os.PathLike[str] | None,
    ensemble: Ensemble,
    settings: dict[str, Any],
    source: Source,
    templates: Sequence[str | None] | None,
    ranks: Ranks,
) -> Output:
    """Where this rank puts the embeddings."""
    if output is None:
        return InMemory(ensemble.size) if templates is None else Pooled(ensemble.size, templates)
    if not ranks.first:
        return Nowhere(ensemble.size)
    made_by = {key: value for key, value in ensemble.meta().items() if key != "model"}
    plan = made_by | {"device": ensemble.device.type, "torch": torch.__version__} | settings
    return IntoFile(Path(output), plan, ensemble.size, source, templates)


def _embed(
    source: Source,
    batches: Iterator[list[int]],
    ensemble: Ensemble,
    to: Output,
    tally: _Tally,
    ranks: Ranks,
    progress: Progress | None,
) -> int:
    """Embed the `batches` on all ranks in turn, and return how many images were done already."""
    entries, batches = to.resumed(batches)
    done = ranks.from_first(entries)
    if not ranks.first:
        batches = islice(batches, len(done), None)
    for entry in done:
        tally.add(entry, entry.count)
    resumed = tally.count
    if resumed and progress:
        progress(resumed)
    with closing(embedded(source, islice(batches, ranks.rank, None, ranks.count), ensemble)) as own:
        for batch in ranks.interleaved(own):
            to.add(batch)
            tally.add(batch, len(batch.indices))
            if progress:
                progress(len(batch.indices))
    return resumed


class _Tally:
    """What is known of the images that are done.

    Args:
        wanted: the images that the network takes.
        chosen: the numbers of the images that are embedded; without it, all.

    Attributes:
        count: number of images that are done, good and bad.
        fit: remembers which sizes were changed.
    """

    def __init__(self, wanted: Preprocessing, chosen: Sequence[int] | None) -> None:
        self.count, self.fit = 0, Fit(wanted)
        self._chosen, self._bad = chosen, dict[int, str]()

    def add(self, batch: Batch | BatchEntry, count: int) -> None:
        """Add the next `count` images."""
        for place, why in batch.bad.items():
            number = self.count + place
            self._bad[number if self._chosen is None else self._chosen[number]] = why
        self.fit.widths.update(batch.widths)
        self.count += count

    def names(self, source: Source) -> Sequence[str]:
        """Names of the images that could be used."""
        every = range(self.count) if self._chosen is None else self._chosen
        return [source.names[index] for index in every if index not in self._bad]

    def reasons(self, source: Source) -> dict[int, str]:
        """The reason for each other image, by its number in the source; it begins with its name."""
        return {index: f"{source.names[index]}: {why}" for index, why in self._bad.items()}


def _check(source: Source, bad: dict[int, str], total: int, skip_bad: bool) -> None:
    """Raise a DataError about the `bad` images, where these are not skipped or no other images are left."""
    if len(bad) == total:
        raise_if_unusable(source, bad, total, alignment="--align, or first by `nsface align`")
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
