"""InsightFace's `.bin` verification sets: the pairs as trials."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from nsface.errors import DataError
from nsface.protocols.list_files import ListFile
from nsface.protocols.protocol import AnyPath, Found, option
from nsface.protocols.trials import Trials
from nsface.protocols.verification import VerificationProtocol

FOLDS = 10
_PICKLED_LIST = re.compile(rb"\x80[\2-\5](?:\x95.{8})?[](]", re.DOTALL)  # a pickle that begins with a list


@dataclass(frozen=True)
class Bin(VerificationProtocol[Trials]):
    """Score embeddings of the images in an InsightFace `.bin` file, which are called `000000`, `000001`, …"""

    carries_images: ClassVar[bool] = True

    pairs: AnyPath = option("The .bin file.")

    @classmethod
    def recognises(cls, file: ListFile) -> bool:
        return bool(_PICKLED_LIST.match(file.head))

    @classmethod
    def found_among(cls, files: Sequence[ListFile]) -> Iterator[Found]:
        for found in super().found_among(files):
            yield replace(found, title=found.lists[0].name)

    def read(self) -> Trials:
        from nsface.images.sources.bin import BinSource  # labels and images lie in one file

        source = BinSource(Path(self.pairs))
        return bin_trials(source.same, source.location)


def bin_trials(same: Sequence[bool], source: str) -> Trials:
    """Trials of images 2i and 2i + 1, which are of one person where `same[i]`.

    Names are `000000`, `000001`, …; the ten folds are runs of neighbouring pairs, as the set's own scripts
    make them.

    Raises:
        DataError: fewer pairs than folds; the message starts with `source`.
    """
    if len(same) < FOLDS:
        raise DataError(f"{source}: {len(same)} pairs are too few for {FOLDS} folds; download it again")
    names = [f"{number:06d}" for number in range(2 * len(same))]
    fold = np.repeat(np.arange(FOLDS), [len(part) for part in np.array_split(same, FOLDS)])
    return Trials(names[::2], names[1::2], np.array(same, dtype=bool), fold, source)
