"""`nsface extract`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nsface.cli.inputs import network_options
from nsface.cli.numbers import BATCH
from nsface.cli.output import note_all, output_option, say
from nsface.cli.points import align_option
from nsface.errors import DataError, listing

if TYPE_CHECKING:
    from nsface.embeddings.extraction import Extraction
    from nsface.images.sources import Source
    from nsface.ranks import Ranks


@click.command(name="extract")
@click.argument("models", metavar="MODEL... IMAGES", nargs=-1, required=True)
@output_option("Embeddings file, .npz or .npy.")
@network_options
@align_option
@click.option(
    "-0", "--null", "nul", is_flag=True, help="Paths on standard input end with NUL, as of find -print0."
)
@click.option(
    "--template-depth",
    metavar="N",
    type=click.IntRange(1, 100),
    help="Pool images whose names share the first N folders into one template: 2 for PERSON/VIDEO/frame.jpg.",
)
@click.option(
    "--splits",
    type=click.Path(path_type=Path),
    help="Pool the frames of each video in YTF's splits.txt into one template; leave out all other images.",
)
@click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be read, and name them.")
@click.option(
    "--batch-size", metavar="N", type=BATCH, default=128, show_default=True, help="Images per batch."
)
def command(
    models: tuple[str, ...],
    output: Path,
    nul: bool,
    template_depth: int | None,
    splits: Path | None,
    **options: Any,
) -> None:
    """Embed IMAGES with MODEL and write an embeddings file.

    IMAGES is a folder of images or of videos, a tar, a list of paths, - for paths on standard input, or any
    other set that `nsface train` reads. Size, colour order and normalisation come from the model. An ONNX
    file that `nsface export` did not write does not say all of them: give --preset, or --input-size, --mean,
    --std, --colour and --template. With several models, the embeddings of an image are normalised and
    concatenated. With --align the images are photographs. After an interruption the same command goes on
    where it was. If torchrun starts several processes, they share the images (docs/scaling.md).

    \b
    Examples:
      nsface extract runs/noisy/model.safetensors lfw/ -o lfw.npz
      find faces -name '*.jpg' -print0 | nsface extract model.safetensors - -0 -o faces.npz
      nsface extract model.safetensors photos/ -o faces.npz --align --detector mtcnn
      nsface extract model.safetensors frame_images_DB/ --splits splits.txt -o ytf.npz
      nsface extract w600k_r50.onnx lfw/ --preset arcface_torch -o lfw.npz
      nsface extract noisy.safetensors softmax.safetensors lfw/ -o ensemble.npz
    """
    from tqdm import tqdm

    from nsface.cli.ranks import sharing
    from nsface.embeddings.extraction import extract, folder_templates
    from nsface.embeddings.file import check_target

    if len(models) < 2:
        raise click.UsageError("give a model (or several) and images: MODEL... IMAGES")
    if template_depth is not None and splits is not None:
        raise click.UsageError("--template-depth and --splits are two ways to say what is pooled; give one")
    if models[-1].endswith((".safetensors", ".onnx")):
        raise click.UsageError(f"{models[-1]}: models are given before the images: MODEL... IMAGES")
    if nul and models[-1] != "-":
        raise click.UsageError("-0 is about paths on standard input: give - for IMAGES")
    check_target(output)
    with sharing() as ranks:
        source = _opened(models[-1], nul, template_depth is None and splits is None, ranks)
        unread = source.unread_note
        note_all([unread] if unread else [])
        templates: Sequence[str | None] | None = None
        if template_depth is not None:
            templates = folder_templates(source.names, template_depth, source.location)
        elif splits is not None:
            templates = _videos(source.names, splits, source.location, options["skip_bad"])
        total = len(source) if templates is None else len(templates) - templates.count(None)
        with tqdm(total=total or None, desc="extracting", unit=" images", disable=None) as bar:
            options |= {"templates": templates, "output": output, "ranks": ranks}
            made = extract(models[:-1], source, progress=bar.update, **options)
        if source.unread_note and not unread:  # of paths that have arrived meanwhile
            note_all([source.unread_note])
        _report(made, output, None if templates is None else total)


def _report(made: Extraction, output: Path, pooled: int | None) -> None:
    """Say what was written and what was left out; `pooled`: number of images that templates were asked of."""
    from nsface.cli.inputs import note_zeros

    note_all(made.notes)
    note_zeros(made.embeddings)
    for reason in made.bad:
        say(f"skipped {reason}")
    if made.empty:
        named = listing(made.empty)
        say(f"{len(made.empty)} templates have no usable image and are left out: {named}")
    what = "embeddings" if pooled is None else f"templates of {pooled - len(made.bad)} images,"
    skipped = f", {len(made.bad)} skipped" if made.bad else ""
    size = made.embeddings.vectors.shape[1]
    say(f"{output}: {len(made.embeddings.names)} {what} of size {size}{skipped}")


def _opened(location: str, nul: bool, as_they_come: bool, ranks: Ranks) -> Source:
    """The images at `location`; those named on standard input all at once unless `as_they_come`."""
    from nsface.images.sources import NO_IMAGES, ArrivingList, open_source

    if location == "-" and ranks.count > 1:
        raise DataError(
            "paths on standard input cannot be shared by several processes; give a list in a file"
        )
    source = ArrivingList(nul=nul) if location == "-" else open_source(location)
    if isinstance(source, ArrivingList) and not as_they_come and not list(source.arriving()):
        raise DataError(f"{source.location}: {NO_IMAGES}")
    return source


def _videos(names: Sequence[str], splits: Path, location: str, skip_bad: bool) -> list[str | None]:
    """The video of every frame that a list of YTF needs; None for other images."""
    from nsface.protocols.ytf import read_splits, videos_of_frames

    videos, missing = videos_of_frames(names, read_splits(splits))
    if missing:
        message = f"{len(missing)} of the videos of {splits} have no frames: {listing(missing)}"
        if not skip_bad or not any(videos):
            raise DataError(f"{location}: {message}; names must end in Person/number/frame.jpg")
        say(message)
    return videos
