"""What inspection says about a set of images: its counts, and each of its faults by name."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.images.inspection.near_duplicates import groups, near_pairs
from nsface.images.inspection.scan import Looks
from nsface.images.sources import Source
from nsface.images.sources.base import printable

LONG_NAME = 200  # bytes of a part of a path; file systems allow 255 at most, some fewer
COMMON = 0.9  # the share of images that makes one size the size of the set, and other sizes a fault


def describe(source: Source, looks: Looks) -> dict[str, Any]:
    """The result of inspecting `source`, as JSON can hold it.

    Stable keys: `kind`, `location`, `images`, `identities`, `images_per_identity` (`min`, `median`, `max`;
    null without identities), `histogram` (how many identities have how many images, by number of images),
    `single_image_identities`, `without_identity` (images), `sizes` (list of `height`, `width`, `images`, the
    most common first), `other_sizes` (names, where nine tenths of the images are of one size), `unreadable`
    (list of `name`, `reason`), `empty` (how many of these are empty files), `blank`, `grey`,
    `swapped_colour` (names), `looks_swapped` (whether most images are), `duplicates`, `near_duplicates`
    (groups of names; equal images stand in the first and only their first name in the second),
    `duplicates_across_identities` (groups, of both, with more than one identity), `label_gaps` (`first`,
    `last`, `missing` and `ranges` of numbers without an image; null where identities are no numbers beside
    the images), `alignment` (see `Looks.alignment`), `odd_names`, `passed_over` (lists of `name`, `reason`)
    and `remarks`.
    """
    identities = list(source.identities)
    counts = Counter(identity for identity in identities if identity)
    numbers = np.array(list(counts.values()) or [0])
    exact = _equal(looks)
    near = _near(looks, exact)
    sizes = Counter(map(tuple, looks.sizes[looks.readable].tolist()))
    (common, most), *_ = sizes.most_common(1) or [((0, 0), 0)]
    usual = most >= COMMON * len(looks.readable)
    empty = [index for index, why in looks.unreadable.items() if why == "empty file"]

    def names(flags: npt.NDArray[np.bool_]) -> list[str]:
        return [source.names[index] for index in np.flatnonzero(flags).tolist()]

    coloured = len(looks.readable) - int(looks.grey.sum())
    odd_size = np.zeros(len(source), bool)
    odd_size[looks.readable] = usual & (looks.sizes[looks.readable] != common).any(axis=1)
    return {
        "kind": source.kind,
        "location": printable(source.location),
        "images": len(source),
        "identities": len(counts),
        "images_per_identity": {
            "min": int(numbers.min()),
            "median": float(np.median(numbers)),
            "max": int(numbers.max()),
        }
        if counts
        else None,
        "histogram": {str(images): n for images, n in sorted(Counter(counts.values()).items())},
        "single_image_identities": sum(n == 1 for n in counts.values()),
        "without_identity": identities.count(""),
        "sizes": [{"height": h, "width": w, "images": n} for (h, w), n in sizes.most_common()],
        "other_sizes": names(odd_size),
        "unreadable": [
            {"name": source.names[index], "reason": why} for index, why in sorted(looks.unreadable.items())
        ],
        "empty": len(empty),
        "blank": names(looks.blank),
        "grey": names(looks.grey),
        "swapped_colour": names(looks.swapped),
        "looks_swapped": 2 * int(looks.swapped.sum()) > coloured,
        "duplicates": [[source.names[index] for index in group] for group in exact],
        "near_duplicates": [[source.names[index] for index in group] for group in near],
        "duplicates_across_identities": sum(
            len({identities[index] for index in group}) > 1 for group in [*exact, *near]
        ),
        "label_gaps": label_gaps(list(counts)) if source.labelled else None,
        "alignment": round(looks.alignment, 4),
        "odd_names": [
            {"name": name, "reason": why} for name in source.names if (why := odd_name(name)) is not None
        ],
        "passed_over": [{"name": name, "reason": why} for name, why in source.passed_over],
        "remarks": list(source.remarks),
    }


def _equal(looks: Looks) -> list[list[int]]:
    """Groups of images with equal pixels."""
    members: dict[bytes, list[int]] = {}
    for index in looks.readable.tolist():
        members.setdefault(looks.digests[index].tobytes(), []).append(index)
    return [group for group in members.values() if len(group) > 1]


def _near(looks: Looks, exact: Sequence[Sequence[int]]) -> list[list[int]]:
    """Groups of images that look the same and are not equal; of equal ones the first stands for all.

    Blank images have no structure that could be compared.
    """
    again = [index for group in exact for index in group[1:]]
    rows = np.setdiff1d(looks.readable, [*again, *np.flatnonzero(looks.blank)])
    return [[int(rows[row]) for row in group] for group in groups(near_pairs(looks.hashes[rows]))]


def label_gaps(identities: Sequence[str]) -> dict[str, Any] | None:
    """The whole numbers between the lowest and the highest label that no image has; None without numbers."""
    if not identities or not all(name.isascii() and name.isdigit() and len(name) < 19 for name in identities):
        return None
    numbers = sorted(map(int, identities))
    ranges = [[low + 1, high - 1] for low, high in pairwise(numbers) if high > low + 1]
    missing = sum(stop - start + 1 for start, stop in ranges)
    return {"first": numbers[0], "last": numbers[-1], "missing": missing, "ranges": ranges}


def odd_name(name: str) -> str | None:
    """Why a name may be trouble on other systems, if it may."""
    longest = max(len(part.encode()) for part in name.split("/"))
    if longest > LONG_NAME:
        return f"a part of {longest} bytes: longer than some file systems allow"
    if "\\x" in name or "\\u" in name:
        return "not UTF-8, or control characters"
    if unicodedata.normalize("NFC", name) != name:
        return "letters and their accents are separate: looks like another name"
    return None
