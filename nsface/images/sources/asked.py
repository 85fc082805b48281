"""What is asked for of a set with several parts: `LOCATION#split=train`, `LOCATION#label=person`."""

from __future__ import annotations

import os
from typing import NamedTuple

from nsface.errors import DataError, shown

FOLDER = "folder"  # `label=folder`: the folder is the identity, whatever else could be
_KEYS = ("split", "label")


class Asked(NamedTuple):
    """Which split of the set, and what its labels are called; None where nothing is said."""

    split: str | None = None
    label: str | None = None


def asked_for(location: str) -> tuple[str, Asked]:
    """The path in `location`, and what is said behind its `#`, if it is not a part of the path itself.

    Raises:
        DataError: something else than `split=NAME` and `label=NAME`, parted by commas.

    Example:
        >>> asked_for("faces#split=train,label=person")
        ('faces', Asked(split='train', label='person'))
    """
    path, mark, text = location.rpartition("#")
    if not mark or "=" not in text or os.path.lexists(location):
        return location, Asked()
    found: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if key not in _KEYS or not equals or not value or key in found:
            raise DataError(
                f"{shown(location)}: behind # stands split=NAME, label=NAME, or both with a comma between"
            )
        found[key] = value
    return path, Asked(**found)
