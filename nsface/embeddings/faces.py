"""Single images into embeddings, as they come: read, aligned if they are photographs, embedded."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nsface.embeddings.file import Embeddings
from nsface.embeddings.model import Flip, Model, check_options
from nsface.errors import DataError
from nsface.images.alignment.aligner import Aligner, PointSource
from nsface.images.alignment.landmarks import Located
from nsface.images.fitting import Fit, template_of
from nsface.images.pixels import OTHER_SIZE, Pixels, read_image
from nsface.images.sources import Source
from nsface.images.sources.files import FilesSource

REMEMBERED = 1 << 14  # embeddings of files that are kept: 32 MiB of size 512
_File = tuple[str, int, int]  # path, time of change, size


class Embedded(NamedTuple):
    """What became of an image.

    Attributes:
        vector: (D,) float32, not normalised; None where the image cannot be used.
        face: the face that was aligned; None without alignment.
        problem: why the image cannot be used, without its name; "" where it can.
    """

    vector: npt.NDArray[np.float32] | None
    face: Located | None = None
    problem: str = ""


class FaceEmbedder:
    """Embeds images one by one or a few at a time, and remembers files that come again.

    Args:
        model: what `load_model` made.
        flip: as for `nsface.extract`.
        align: where the five points of faces are, for photographs; without it, images must be aligned.
        remembered: how many embeddings of files are kept; the least recently used one is dropped.

    Raises:
        DataError: photographs cannot be aligned to the template of the model.
        ModelError, NsfaceError: the detector cannot be used, or there is no such `flip`.

    Example:
        >>> embedder = FaceEmbedder(load_model("model.safetensors"))  # doctest: +SKIP
        >>> first, second = embedder.files(["a.jpg", "b.jpg"])  # doctest: +SKIP
        >>> first.vector.shape  # doctest: +SKIP
        (512,)
    """

    def __init__(
        self,
        model: Model,
        *,
        flip: Flip = "sum",
        align: PointSource | None = None,
        remembered: int = REMEMBERED,
    ) -> None:
        check_options(flip, 1)
        self._model, self._flip = model, flip
        self._aligner = Aligner(template_of(model.input), align) if align else None
        self._fit = Fit(model.input)
        self._remembered, self._room = OrderedDict[_File, Embedded](), remembered
        self._pool = ThreadPoolExecutor(os.cpu_count())

    @property
    def made(self) -> Embeddings:
        """How the embeddings are made, as a set of none: its `meta`, and the model as its source."""
        nothing = np.empty((0, self._model.embedding_size), np.float32)
        meta = self._model.meta(self._flip) | self._fit.meta()
        if self._aligner:
            meta["alignment"] = self._aligner.describe()
        return Embeddings([], nothing, meta, self._model.path)

    def notes(self) -> list[str]:
        """Sentences on what was done to images of another size than the model's."""
        return self._fit.notes()

    def files(self, paths: Sequence[str]) -> list[Embedded]:
        """Embed the image in each file; one that has not changed since it was embedded is not read again."""
        files = [_file(path) for path in paths]
        new = list(dict.fromkeys(file for file in files if file not in self._remembered))
        asked = [path for path, *_ in new]
        made = dict(
            zip(new, self.images(FilesSource("", asked, Path(), asked), range(len(new))), strict=True)
        )
        found = [made.get(file) or self._remembered[file] for file in files]
        for file, one in zip(files, found, strict=True):
            if one.vector is not None:
                self._remembered[file] = one
                self._remembered.move_to_end(file)
        while len(self._remembered) > self._room:
            self._remembered.popitem(last=False)
        return found

    def images(self, source: Source, indices: Sequence[int]) -> list[Embedded]:
        """Embed the images `indices` of `source`, all at once."""
        read = list(self._pool.map(lambda index: self._read(source, index), indices))
        usable = [pixels for pixels, _ in read if not isinstance(pixels, str)]
        if not usable:
            return [Embedded(None, None, str(problem)) for problem, _ in read]
        vectors = iter(self._model.embed(np.stack(usable), flip=self._flip, batch_size=len(usable)))
        return [
            Embedded(None, None, pixels) if isinstance(pixels, str) else Embedded(next(vectors), face)
            for pixels, face in read
        ]

    def _read(self, source: Source, index: int) -> tuple[Pixels | str, Located | None]:
        """The pixels that the network takes, or why there are none; and the face that they show."""
        name, face = source.names[index], None

        def prepared(pixels: Pixels) -> Pixels:
            nonlocal face
            if self._aligner:
                pixels, face = self._aligner(name, pixels)
            return self._fit(pixels)

        wanted = self._model.input
        try:
            return read_image(source, index, wanted.height, wanted.width, prepared), face
        except DataError as error:
            problem = str(error).removeprefix(f"{name}: ")
            if problem.endswith(OTHER_SIZE) and self._aligner is None:
                problem += "; align it first, or give --align for photographs"
            return problem, None


def _file(path: str) -> _File:
    """What tells a file from itself after a change."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # ValueError: a zero byte; the error is found again where the file is read
        return path, 0, 0
    return path, status.st_mtime_ns, status.st_size
