"""The result of an inspection: the content of an image set, and what is wrong with it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.errors import listing, shown
from nsface.images.inspection.near_duplicates import groups, near_pairs
from nsface.images.inspection.scan import Scan
from nsface.images.sources import Source
from nsface.images.sources.base import printable

LONG_NAME = 200  # bytes of a part of a path; file systems allow 255 at most, some fewer
COMMON = 0.9  # the share of images that makes one size the size of the set, and other sizes a fault
_FAULTS = {
    "damaged": "damaged",
    "unreadable": "unreadable",
    "other_sizes": "of another size",
    "blank": "nearly of one colour",
    "swapped_colour": "bluer than red",
    "odd_names": "odd names",
    "passed_over": "passed over",
}
Reasons = list[dict[str, str]]  # each with `name` and `reason`


@dataclass(frozen=True)
class Inspection:
    """The content and the faults of an image set. The attributes are the keys of the JSON.

    Attributes:
        images, identities: how many there are.
        images_per_identity: `min`, `median` and `max`; None without identities.
        histogram: how many identities have how many images, by number of images.
        single_image_identities: how many identities have one image.
        without_identity: how many images have no identity.
        sizes: `height`, `width` and `images` of each size, the most common first.
        other_sizes: names of images of another size, where nine tenths of the images are of one size.
        unreadable: images that cannot be read.
        empty: how many of the unreadable images are empty files.
        blank, grey, swapped_colour: names (see `Scan`).
        looks_swapped: whether most coloured images are in `swapped_colour`.
        duplicates: groups of names of equal images.
        near_duplicates: groups of names of similar images; of equal images only the first is in them.
        duplicates_across_identities: how many of both kinds of groups have more than one identity.
        label_gaps: see `label_gaps`; None where identities are not labels beside the images.
        alignment: see `Scan.alignment`.
        odd_names: names that may be trouble on other systems.
        passed_over: files that are not read.
        remarks: see `Source`.
        damaged: files and images whose checksums are wrong; None where these were not compared.
    """

    kind: str
    location: str
    images: int
    identities: int
    images_per_identity: dict[str, float] | None
    histogram: dict[str, int]
    single_image_identities: int
    without_identity: int
    sizes: list[dict[str, int]]
    other_sizes: list[str]
    unreadable: Reasons
    empty: int
    blank: list[str]
    grey: list[str]
    swapped_colour: list[str]
    looks_swapped: bool
    duplicates: list[list[str]]
    near_duplicates: list[list[str]]
    duplicates_across_identities: int
    label_gaps: dict[str, Any] | None
    alignment: float
    odd_names: Reasons
    passed_over: Reasons
    remarks: list[str]
    damaged: Reasons | None = None

    def to_json(self) -> dict[str, Any]:
        """The inspection as JSON can hold it."""
        return {key: value for key, value in vars(self).items() if key != "damaged" or value is not None}

    def table(self) -> str:
        """A line for each fact and for each kind of fault that the set has, with the first ten names."""
        rows = [*self._facts(), *self._faults(), *(("note", remark) for remark in self.remarks)]
        width = max(len(title) for title, _ in rows)
        lines = [f"  {title:{width}}  {shown(text)}" for title, text in rows]
        return "\n".join([shown(self.location), *lines])

    def _facts(self) -> list[tuple[str, str]]:
        per, single = self.images_per_identity, self.single_image_identities
        sizes = [f"{size['height']}×{size['width']} ({size['images']:,})" for size in self.sizes]
        range_of_images = f"min {per['min']}, median {per['median']:g}, max {per['max']}" if per else ""
        return [
            ("images", f"{self.images:,} ({self.kind})"),
            ("identities", f"{self.identities:,}" + (f", {single:,} with one image" if single else "")),
            ("images per identity", range_of_images or "no identities"),
            ("sizes (height × width)", listing(sizes)),
            ("alignment", f"{self.alignment:.2f} (aligned by five points: above 0.4)"),
        ]

    def _faults(self) -> list[tuple[str, str]]:
        rows = []
        if self.without_identity:
            rows.append(("without identity", f"{self.without_identity:,}"))
        if (gaps := self.label_gaps) and gaps["missing"]:
            ranges = listing([f"{a}–{b}" if b > a else f"{a}" for a, b in gaps["ranges"]])
            text = f"{gaps['first']} to {gaps['last']} without {gaps['missing']:,} numbers: {ranges}"
            rows.append(("labels", text))
        if self.grey:
            rows.append(("grey", f"{len(self.grey):,}"))
        if self.looks_swapped:
            rows.append(("colour", "most images are bluer than red: are the channels swapped?"))
        for key, title in _FAULTS.items():
            if found := getattr(self, key):
                rows.append((title, f"{len(found):,}: {listing([_named(item) for item in found])}"))
        for title, found in (("equal images", self.duplicates), ("similar images", self.near_duplicates)):
            if found:
                joined = listing([" = ".join(group) for group in found], 5)
                rows.append((title, f"{len(found):,} groups: {joined}"))
        if across := self.duplicates_across_identities:
            rows.append(("", f"{across:,} of these groups have images of several identities"))
        return rows


def inspect(source: Source, scanned: Scan, damaged: Sequence[tuple[str, str]] | None = None) -> Inspection:
    """The inspection of `source`, which `scan` has `scanned`.

    Args:
        damaged: what `StoreSource.verify` returns; None where checksums were not compared.
    """
    identities = list(source.identities)
    counts = Counter(identity for identity in identities if identity)
    equal = _equal(scanned)
    similar = _similar(scanned, equal)
    sizes = Counter(map(tuple, scanned.sizes[scanned.readable].tolist()))
    coloured = len(scanned.readable) - int(scanned.grey.sum())

    def names(flags: npt.NDArray[np.bool_]) -> list[str]:
        return [source.names[index] for index in np.flatnonzero(flags).tolist()]

    return Inspection(
        kind=source.kind,
        location=printable(source.location),
        images=len(source),
        identities=len(counts),
        images_per_identity=_range(list(counts.values())),
        histogram={str(images): n for images, n in sorted(Counter(counts.values()).items())},
        single_image_identities=sum(n == 1 for n in counts.values()),
        without_identity=identities.count(""),
        sizes=[{"height": h, "width": w, "images": n} for (h, w), n in sizes.most_common()],
        other_sizes=names(_of_another_size(scanned, sizes)),
        unreadable=_reasons((source.names[index], why) for index, why in sorted(scanned.unreadable.items())),
        empty=sum(why == "empty file" for why in scanned.unreadable.values()),
        blank=names(scanned.blank),
        grey=names(scanned.grey),
        swapped_colour=names(scanned.swapped),
        looks_swapped=2 * int(scanned.swapped.sum()) > coloured,
        duplicates=[[source.names[index] for index in group] for group in equal],
        near_duplicates=[[source.names[index] for index in group] for group in similar],
        duplicates_across_identities=sum(
            len({identities[index] for index in group}) > 1 for group in [*equal, *similar]
        ),
        label_gaps=label_gaps(list(counts)) if source.labelled else None,
        alignment=round(scanned.alignment, 4),
        odd_names=_reasons((name, why) for name in source.names if (why := odd_name(name)) is not None),
        passed_over=_reasons(source.passed_over),
        remarks=list(source.remarks),
        damaged=None if damaged is None else _reasons(damaged),
    )


def _range(counts: list[int]) -> dict[str, float] | None:
    if not counts:
        return None
    return {"min": min(counts), "median": float(np.median(counts)), "max": max(counts)}


def _reasons(found: Iterable[tuple[str, str]]) -> Reasons:
    return [{"name": name, "reason": why} for name, why in found]


def _of_another_size(scanned: Scan, sizes: Counter[tuple[int, ...]]) -> npt.NDArray[np.bool_]:
    """Which images have not the common size, where nine tenths of the images have it; none otherwise."""
    other = np.zeros(len(scanned.sizes), bool)
    (common, most), *_ = sizes.most_common(1) or [((0, 0), 0)]
    if most >= COMMON * len(scanned.readable):
        other[scanned.readable] = (scanned.sizes[scanned.readable] != common).any(axis=1)
    return other


def _equal(scanned: Scan) -> list[list[int]]:
    """Groups of images with equal pixels."""
    members: dict[bytes, list[int]] = {}
    for index in scanned.readable.tolist():
        members.setdefault(scanned.digests[index].tobytes(), []).append(index)
    return [group for group in members.values() if len(group) > 1]


def _similar(scanned: Scan, equal: Sequence[Sequence[int]]) -> list[list[int]]:
    """Groups of images that look the same and are not equal; of equal ones only the first is compared.

    Blank images have no structure that could be compared.
    """
    repeated = [index for group in equal for index in group[1:]]
    rows = np.setdiff1d(scanned.readable, [*repeated, *np.flatnonzero(scanned.blank)])
    return [[int(rows[row]) for row in group] for group in groups(near_pairs(scanned.hashes[rows]))]


def label_gaps(identities: Sequence[str]) -> dict[str, Any] | None:
    """The whole numbers between the lowest and the highest label that no image has.

    Returns:
        `first`, `last`, `missing` (how many) and `ranges` (lists of first and last); None where not all
        identities are whole numbers.
    """
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


def _named(item: Any) -> str:
    return item if isinstance(item, str) else f"{item['name']} ({item['reason']})"
