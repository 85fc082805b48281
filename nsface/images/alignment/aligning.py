"""The alignment of all images of a source, into a folder with the same tree.

The folder gets the aligned images and, when all are done, three files: `landmarks.txt` (for each image its
    name,
x1 y1 … x5 y5 in the source's pixels, and the detector's confidence), `left_out.txt` (name and reason of every
image that could not be aligned) and `align.json` (the settings and counts). A journal records the images that
are done, so that the same call goes on where it was interrupted.
"""

from __future__ import annotations

import json
import os
import posixpath
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import cv2
from pydantic import BaseModel

from nsface import __version__
from nsface.errors import DataError, NsfaceError, shown
from nsface.files import make_folder, reason, write_text
from nsface.images import decoding_memory
from nsface.images.alignment.aligner import Aligner, PointSource
from nsface.images.alignment.templates import Template
from nsface.images.journal import Journal
from nsface.images.parallel import in_order
from nsface.images.pixels import Pixels, Progress
from nsface.images.sources import Source
from nsface.names import leads_outside, stem

LANDMARKS, LEFT_OUT, SUMMARY, JOURNAL = "landmarks.txt", "left_out.txt", "align.json", ".align.journal"
_UNFINISHED = ".align.unfinished"  # the folder of images that are being written
Format = Literal["jpg", "png"]


class AlignedImage(BaseModel):
    """An image's entry in the journal: its ten coordinates (x1 y1 … x5 y5), or why it is left out."""

    name: str
    points: list[float] | None = None
    confidence: float | None = None
    reason: str | None = None


class Aligned(NamedTuple):
    """The number of images that were aligned, and the name and reason of each image that was left out."""

    images: int
    left_out: list[tuple[str, str]]


def align(
    source: Source,
    target: Path,
    template: Template,
    point_source: PointSource,
    *,
    file_format: Format = "jpg",
    quality: int = 95,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Aligned:
    """Align every image of `source` to `template`, into the folder `target` (see the module).

    Args:
        file_format: JPEG or PNG; names get its extension, but `.jpeg` stays.
        quality: of JPEG, 1 to 100.
        workers: number of threads; by default one for each core. The results do not depend on it.
        progress: called with the number of images done since the last call, first with those that an
            interrupted call has done.

    Raises:
        DataError: two images would get the same name, or a name leads out of the folder.
        ModelError, NsfaceError: the detector cannot be used.
        NsfaceError: `target` has other files in it, is in use, or cannot be written.
    """
    names = _output_names(source, file_format)
    plan = {
        "source": source.dated_fingerprint(),
        "template": template.name,
        "size": [template.height, template.width],
        "format": file_format if file_format == "png" else f"jpg {quality}",
        **point_source.describe(),
        "nsface": __version__,
    }
    aligner = Aligner(template, point_source)  # a detector that cannot be used is reported now
    worker = _Worker(source, target, aligner, names, file_format, quality)
    make_folder(target)
    with Journal(target / JOURNAL, plan, AlignedImage) as journal, _folder_for_unfinished(target):
        complete = (target / SUMMARY).exists()
        if progress:
            progress(len(journal.entries))
        for done in in_order(worker, range(len(journal.entries), len(source)), workers):
            journal.add(done)
            if progress:
                progress(1)
        found = [entry for entry in journal.entries if entry.points is not None]
        left_out = [(entry.name, entry.reason or "") for entry in journal.entries if entry.points is None]
        if not complete:
            _write_lists(target, found, left_out)
            counts = {"images": len(found), "left_out": len(left_out)}
            summary = json.dumps(plan | counts, indent=2, ensure_ascii=False)
            write_text(target / SUMMARY, f"{summary}\n")
    return Aligned(len(found), left_out)


class _Worker:
    """A function that aligns one image and writes it."""

    def __init__(
        self,
        source: Source,
        target: Path,
        aligner: Aligner,
        names: list[str],
        file_format: Format,
        quality: int,
    ) -> None:
        self._source, self._target, self._aligner = source, target, aligner
        self._names = names
        self._extension = f".{file_format}"
        self._settings = [cv2.IMWRITE_JPEG_QUALITY, quality] if file_format == "jpg" else []

    def __call__(self, index: int) -> AlignedImage:
        name = self._source.names[index]
        try:
            with decoding_memory.limited():
                aligned, located = self._aligner(name, self._source.pixels(index))
        except DataError as error:
            return AlignedImage(name=name, reason=str(error).removeprefix(f"{name}: "))
        except OSError as error:
            return AlignedImage(name=name, reason=reason(error))
        self._write(index, aligned)
        return AlignedImage(name=name, points=located.points.ravel().tolist(), confidence=located.confidence)

    def _write(self, index: int, pixels: Pixels) -> None:
        _, data = cv2.imencode(self._extension, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), self._settings)
        path = self._target / self._names[index]
        unfinished = self._target / _UNFINISHED / f"{index}{self._extension}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(data.tobytes())
            os.replace(unfinished, path)
        except OSError as error:
            raise NsfaceError(f"cannot write {shown(path)[:300]}: {reason(error)}") from error


@contextmanager
def _folder_for_unfinished(target: Path) -> Iterator[None]:
    """Make the folder for images that are being written, without those that a killed call has left there.

    The images cannot appear all at once, but each appears whole or not at all. Unfinished files are in one
    folder, so that they are found without a search through the tree.
    """
    folder = target / _UNFINISHED
    try:
        if folder.exists():
            shutil.rmtree(folder)
        for name in (LANDMARKS, LEFT_OUT, SUMMARY):
            for left in target.glob(f".{name}.*"):
                left.unlink()
        folder.mkdir()
    except OSError as error:
        raise NsfaceError(f"cannot write {target}: {reason(error)}") from error
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _output_names(source: Source, file_format: Format) -> list[str]:
    """The path of every aligned image, relative to the folder.

    Raises:
        DataError: two images would get the same name, or a name leads out of the folder.
    """
    seen: dict[str, str] = {}
    for name in source.names:
        extension = posixpath.splitext(name)[1]
        keeps = file_format == "jpg" and extension.lower() in (".jpg", ".jpeg")
        path = PurePosixPath(name if keeps else f"{stem(name)}.{file_format}")
        if leads_outside(path):
            raise DataError(
                f"{source.location}: {name}: this name leads out of the folder; nothing is written"
            )
        if (other := seen.get(str(path))) is not None:
            raise DataError(f"{source.location}: {other} and {name} would both become {path}")
        seen[str(path)] = name
    return list(seen)


def _write_lists(target: Path, found: list[AlignedImage], left_out: list[tuple[str, str]]) -> None:
    lines = ["# name, then x1 y1 … x5 y5 in pixels of the source, then the confidence if known\n"]
    for entry in found:
        numbers = [f"{value:.3f}" for value in entry.points or ()]
        if entry.confidence is not None:
            numbers.append(f"{entry.confidence:.6f}")
        lines.append("\t".join([entry.name, *numbers]) + "\n")
    write_text(target / LANDMARKS, "".join(lines))
    write_text(target / LEFT_OUT, "".join(f"{name}\t{shown(why)}\n" for name, why in left_out))
