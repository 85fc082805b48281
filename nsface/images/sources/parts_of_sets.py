"""The training part and the test part of one set of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nsface.errors import DataError, shown
from nsface.images.sources import open_source
from nsface.images.sources.arrays import Part, open_arrays
from nsface.images.sources.base import Source
from nsface.images.sources.part import PartSource


class _Below(PartSource):
    """The images of `source` whose names begin with a folder; that folder is no part of an identity."""

    def __init__(self, source: Source, folder: str) -> None:
        start = f"{folder}/"
        super().__init__(source, [i for i, name in enumerate(source.names) if name.startswith(start)])
        self._start = start

    @property
    def identities(self) -> Sequence[str]:
        known = super().identities
        return known if self.labelled else [identity.removeprefix(self._start) for identity in known]


def open_part(location: str, part: Part) -> Source:
    """Open one part of the set at `location`: the images for training, or those for testing.

    It is a folder with one of the data sets that torchvision keeps (see `arrays.open_arrays`); a folder with
    the folders `train` and `test`, each what `open_source` opens; or any other source whose names begin with
    `train/` and `test/`.

    Raises:
        DataError: it has no such part, or cannot be read.

    Example:
        >>> open_part("MNIST", "test").pixels(0).shape  # doctest: +SKIP
        (28, 28, 3)
    """
    folder = Path(location)
    if folder.is_dir():
        if (made := open_arrays(location, part)) is not None:
            return made
        if (folder / part).is_dir():
            return open_source(folder / part)
    source = _Below(open_source(location), part)
    if not source.names:
        raise DataError(
            f"{shown(location)}: no images in {part}/; a classification has its images in train/CLASS/ and "
            "test/CLASS/, or is one of the sets that torchvision keeps: MNIST, CIFAR-10, CIFAR-100, SVHN"
        )
    return source
