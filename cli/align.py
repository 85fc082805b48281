"""`nsface align`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nsface.cli.numbers import WORKERS
from nsface.cli.output import note, say
from nsface.cli.points import point_options, point_source
from nsface.errors import DataError, listing


@click.command(name="align")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST", type=click.Path(path_type=Path))
@click.option(
    "--template",
    "name",
    metavar="NAME",
    default="112x96",
    show_default=True,
    help="sphereface (112x96), arcface (112x112), or HEIGHTxWIDTH, derived from them.",
)
@point_options(model_too=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["jpg", "png"]),
    default="jpg",
    show_default=True,
    help="Format of the images in DST.",
)
@click.option(
    "--quality", metavar="N", type=click.IntRange(1, 100), default=95, show_default=True, help="JPEG quality."
)
@click.option("--skip-bad", is_flag=True, help="Exit with 0 even if images were left out.")
@click.option("--workers", metavar="N", type=WORKERS, help="Threads.  [default: one per core]")
def command(
    source: str,
    target: Path,
    name: str,
    points: dict[str, Any],
    form: Any,
    quality: int,
    skip_bad: bool,
    workers: int | None,
) -> None:
    """Align the faces in SRC to a five-point template, into the folder DST with the same tree.

    SRC is anything that `nsface pack` takes. Areas outside an image become black. DST/landmarks.txt has the
    points and confidences. DST/left_out.txt has the images that have no face, whose points are not those of a
    face, or that cannot be read. All other images are written, and the exit status is 2 if any were left out,
    unless --skip-bad is given. After an interruption the same command continues.

    \b
    Examples:
      nsface align photos/ faces/ --detector yunet --model face_detection_yunet.onnx
      nsface align casia.tar casia-112 --template 112x112 --detector mtcnn --face central
      nsface align lfw-deepfunneled.tar lfw --landmarks lfw_landmarks.txt
    """
    from tqdm import tqdm

    from nsface.images.alignment import template
    from nsface.images.alignment.aligning import LEFT_OUT, align
    from nsface.images.sources import open_source

    chosen = point_source(points)
    face_template = template(name)
    opened = open_source(source)
    if opened.unread_note:
        note(opened.unread_note)
    with tqdm(total=len(opened), desc="aligning", unit=" images", disable=None) as bar:
        options: dict[str, Any] = {
            "file_format": form,
            "quality": quality,
            "workers": workers,
            "progress": bar.update,
        }
        aligned = align(opened, target, face_template, chosen, **options)
    left_out = [f"{image}: {why}" for image, why in aligned.left_out]
    if left_out and (not skip_bad or not aligned.images):
        raise DataError(
            f"{len(left_out)} of {len(opened)} images could not be aligned and are listed in "
            f"{target / LEFT_OUT}: {listing(left_out, 3)}; --skip-bad accepts that"
        )
    skipped = f", {len(left_out)} left out ({target / LEFT_OUT})" if left_out else ""
    size = f"{face_template.height}×{face_template.width} (height × width)"
    say(f"{target}: {aligned.images} faces, {size}{skipped}")
