"""The part of an image set that a location selects: `LOCATION#split=train`, `LOCATION#label=person`."""

from __future__ import annotations

import os
from typing import NamedTuple

from nsface.errors import DataError, shown

FOLDER = "folder"  # `label=folder`: the identity is the folder, even where there are labels
_KEYS = ("split", "label")


class Selection(NamedTuple):
    """The split of the set, and the name of its labels; None where the location does not say it."""

    split: str | None = None
    label: str | None = None


def parse_location(location: str) -> tuple[str, Selection]:
    """The path in `location`, and what is selected after its `#`, unless the `#` belongs to an existing path.

    Raises:
        DataError: something other than `split=NAME` and `label=NAME`, separated by commas.

    Example:
        >>> parse_location("faces#split=train,label=person")
        ('faces', Selection(split='train', label='person'))
    """
    path, mark, text = location.rpartition("#")
    if not mark or "=" not in text or os.path.lexists(location):
        return location, Selection()
    found: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if key not in _KEYS or not equals or not value or key in found:
            raise DataError(
                f"{shown(location)}: after # give split=NAME, label=NAME, or both with a comma between them"
            )
        found[key] = value
    return path, Selection(**found)
