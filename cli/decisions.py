"""What `verify` and `identify` have in common: the threshold, lines as they come, faces that were found."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from nsface.cli.inputs import LOADING
from nsface.errors import DataError

if TYPE_CHECKING:
    from nsface.embeddings.faces import Embedded, FaceEmbedder
    from nsface.images.alignment.aligner import PointSource
    from nsface.results.decisions import FaceInImage

AT_ONCE = 32  # images of a file that lie there already; those of a pipe are embedded as they come

threshold_option = click.option(
    "--threshold",
    metavar="FILE|X",
    help="Decide by this calibrated threshold, a file that `nsface calibrate` wrote, or by the score X.",
)
skip_bad_option = click.option(
    "--skip-bad", is_flag=True, help="End with status 0 although some images could not be used."
)
null_option = click.option(
    "-0", "--null", "nul", is_flag=True, help="Paths end with NUL, as of find -print0, not with the line."
)


def embedder(model: Any, options: dict[str, Any]) -> FaceEmbedder:
    """What embeds images with the model at the path `model`, as `network_options` and `align_option` say.

    Args:
        options: `flip`, `align` and those of `LOADING`.
    """
    from nsface.embeddings.faces import FaceEmbedder
    from nsface.embeddings.model import load_model

    loaded = load_model(model, **{name: options[name] for name in LOADING})
    return FaceEmbedder(loaded, flip=options["flip"], align=options["align"])


def face_of(embedded: Embedded, align: PointSource | None) -> FaceInImage | None:
    """What results say of the face of an image that was aligned."""
    from nsface.results.decisions import FaceInImage

    face = embedded.face
    if face is None or align is None:
        return None
    return FaceInImage(
        points=tuple((float(x), float(y)) for x, y in face.points),
        confidence=face.confidence,
        found=face.faces,
        choice=None if face.faces is None else align.choice,
    )


@contextmanager
def opened(path: str) -> Iterator[int]:
    """The number of the open file `path`, or of standard input for `-`."""
    if path == "-":
        yield 0
        return
    with open(path, "rb", buffering=0) as file:
        yield file.fileno()


def in_groups(handle: int, items: Iterator[Any]) -> Iterator[list[Any]]:
    """`items` that are read from `handle`, one by one where more may arrive later, else some at a time."""
    size = AT_ONCE if stat.S_ISREG(os.fstat(handle).st_mode) else 1
    while group := list(islice(items, size)):
        yield group


def refuse_bad(bad: int, total: int, what: str, skip_bad: bool) -> None:
    """End with status 2, after all results, where some images could not be used.

    Raises:
        DataError: `bad` is not 0 and not `skip_bad`.
    """
    if bad and not skip_bad:
        raise DataError(
            f"{bad} of {total} {what} could not be used, as the results say; --skip-bad takes it for success"
        )
