"""Photographs that are in two sets of images, found by their perceptual hashes."""

from __future__ import annotations

import numpy as np

from nsface.images.inspection.near_duplicates import groups, near_pairs
from nsface.images.inspection.scan import look
from nsface.images.pixels import Progress
from nsface.images.sources import Source


def shared_pictures(one: Source, other: Source, progress: Progress | None = None) -> list[tuple[int, int]]:
    """Images of `one` and of `other` that look the same: pairs of their indices, in order.

    All images are decoded. Those that cannot be, and blank ones, are in no pair. What is found, and what is
    not, `near_duplicates` says.

    Args:
        progress: called with the number of images done since the last call.

    Raises:
        DataError: not a single image of a sample of a set can be decoded.
    """
    both = [look(source, progress=progress) for source in (one, other)]
    rows = [np.setdiff1d(looks.readable, np.flatnonzero(looks.blank)) for looks in both]
    hashes = np.concatenate([looks.hashes[kept] for looks, kept in zip(both, rows, strict=True)])
    places = np.concatenate([rows[0], -1 - rows[1]])  # below 0: of the other set
    found = []
    for group in groups(near_pairs(hashes)):
        members = places[group].tolist()
        found += [(m, -1 - n) for m in members if m >= 0 for n in members if n < 0]
    return sorted(found)
