"""Photographs that are in two sets of images, found by their perceptual hashes."""

from __future__ import annotations

import numpy as np

from nsface.images.inspection.near_duplicates import groups, near_pairs
from nsface.images.inspection.scan import scan
from nsface.images.pixels import Progress
from nsface.images.sources import Source


def shared_pictures(one: Source, other: Source, progress: Progress | None = None) -> list[tuple[int, int]]:
    """Images of `one` and of `other` that look the same: pairs of their indices, in order.

    All images are decoded. Unreadable and blank images are in no pair. The module `near_duplicates` documents
    which similar images are found.

    Args:
        progress: called with the number of images done since the last call.

    Raises:
        DataError: not a single image of a sample of a set can be decoded.
    """
    scans = [scan(source, progress=progress) for source in (one, other)]
    rows = [np.setdiff1d(scanned.readable, np.flatnonzero(scanned.blank)) for scanned in scans]
    hashes = np.concatenate([scanned.hashes[kept] for scanned, kept in zip(scans, rows, strict=True)])
    places = np.concatenate([rows[0], -1 - rows[1]])  # those of the other set are negative
    found = []
    for group in groups(near_pairs(hashes)):
        members = places[group].tolist()
        found += [(m, -1 - n) for m in members if m >= 0 for n in members if n < 0]
    return sorted(found)
