"""What `nsface overlap --run` keeps in a run folder: how its training set was compared with test sets."""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from nsface.errors import DataError, shown
from nsface.files import reason
from nsface.untrusted import parse_json

RECORD = "overlap.json"
Way = Literal["names", "pictures", "embeddings"]
WAYS: dict[Way, str] = {"names": "name", "pictures": "picture", "embeddings": "embedding"}


class Entry(BaseModel):
    """A comparison with one test set.

    Attributes:
        images: of the test set.
        found: training identities that seem to be in it, by any way.
        found_by: the same by each way that was gone; `names` only where they say who somebody is. None in
            records of nsface 0.3.
        threshold: cosine from which embeddings were taken for one person's; None: they were not compared.
        pictures: whether pictures were compared.
    """

    model_config = ConfigDict(extra="ignore", strict=True)

    images: NonNegativeInt
    found: list[str]
    found_by: dict[Way, list[str]] | None = None
    threshold: float | None = None
    pictures: bool = False
    model_digest: str | None = None

    @property
    def ways(self) -> list[Way]:
        """How the sets were compared."""
        if self.found_by is not None:
            return [way for way in WAYS if way in self.found_by]
        gone = {"names": True, "pictures": self.pictures, "embeddings": self.threshold is not None}
        return [way for way in WAYS if gone[way]]

    def compared(self) -> str:
        """How the sets were compared, in words: `by name only`, `by name and embedding`."""
        words = [WAYS[way] for way in self.ways]
        if not words:
            return "by name only, and no name says who it is"
        joined = " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
        return f"by {joined}" + ("" if "embeddings" in self.ways else " only")

    def joined(self, before: Entry | None, used: Set[str]) -> Entry:
        """This entry, with those of `used` whom an earlier one of the same sets found in other ways."""
        if before is None or before.found_by is None or self.found_by is None:
            return self
        earlier = {way: sorted(used & set(found)) for way, found in before.found_by.items()}
        found_by = earlier | self.found_by
        kept = before.threshold if self.threshold is None else self.threshold
        found = sorted({identity for found in found_by.values() for identity in found})
        pictures = self.pictures or before.pictures
        return self.model_copy(
            update={"found_by": found_by, "found": found, "threshold": kept, "pictures": pictures}
        )


def read_record(run: Path) -> dict[str, Entry]:
    """What is recorded in the run folder `run`, by the digest of the test set's names; empty if nothing is.

    Raises:
        DataError: it cannot be read, or is no such record.
    """
    path = run / RECORD
    if not os.path.exists(path):
        return {}
    try:
        content = parse_json(path.read_bytes(), str(path))
        if not isinstance(content, dict):
            raise DataError(f"{shown(path)}: not a record of nsface overlap; remove it")
        return {digest: Entry.model_validate(entry) for digest, entry in content.items()}
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot be read: {reason(error)}") from error
    except ValidationError as error:
        raise DataError(f"{shown(path)}: not a record of nsface overlap; remove it") from error
