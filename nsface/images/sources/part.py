"""Some of the images of another source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from nsface.images.sources.base import Source


class PartSource(Source):
    """The images of `source` with the numbers `indices`, in that order."""

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self.kind, self.location = source.kind, source.location
        self.names = [source.names[index] for index in indices]
        self._source, self._indices = source, list(indices)

    @property
    def identities(self) -> Sequence[str]:
        known = self._source.identities
        return [known[index] for index in self._indices]

    @property
    def labelled(self) -> bool:
        return self._source.labelled

    def pixels(self, index: int) -> npt.NDArray[np.uint8]:
        return self._source.pixels(self._indices[index])

    def read(self, index: int) -> bytes:
        return self._source.read(self._indices[index])

    def stamps(self) -> Iterable[tuple[str, int]]:
        known = list(self._source.stamps())
        return [known[index] for index in self._indices]
