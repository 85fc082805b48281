"""What `nsface inspect --json` found in sets of images: counts, without names of images and people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from nsface.checked import Count, from_json
from nsface.errors import DataError, listing, shown
from nsface.files import reason
from nsface.results.values import Number
from nsface.untrusted import parse_json

_COUNTS = {  # of names or groups; the first of these are shown even where there are none
    "unreadable": "images that cannot be read",
    "duplicates": "groups of equal images",
    "near_duplicates": "groups of similar images",
    "duplicates_across_identities": "of these groups, of several identities",
    "other_sizes": "images of another size",
    "blank": "images nearly of one colour",
    "swapped_colour": "images bluer than red",
    "grey": "grey images",
    "damaged": "images whose checksum is wrong",
    "without_identity": "images without identity",
    "odd_names": "odd names",
    "passed_over": "files passed over",
}
_ALWAYS = 4


class _Content(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class Spread(_Content):
    min: Count
    median: Annotated[float, Field(ge=0, le=1e15)]
    max: Count


class Size(_Content):
    height: Count
    width: Count
    images: Count


class Gaps(_Content):
    missing: Count


Listed = list[str] | list[list[str]] | list[dict[str, str]] | Count


class Inspection(_Content):
    """What `nsface inspect` wrote; of lists of names and groups the report needs the lengths."""

    kind: str
    location: str
    images: Count
    identities: Count
    images_per_identity: Spread | None
    sizes: list[Size]
    label_gaps: Gaps | None
    alignment: Number
    unreadable: Listed = 0
    duplicates: Listed = 0
    near_duplicates: Listed = 0
    duplicates_across_identities: Listed = 0
    other_sizes: Listed = 0
    blank: Listed = 0
    swapped_colour: Listed = 0
    grey: Listed = 0
    damaged: Listed = 0
    without_identity: Listed = 0
    odd_names: Listed = 0
    passed_over: Listed = 0


def read_inspections(paths: Sequence[Path]) -> list[Inspection]:
    """Read results of `nsface inspect --json`.

    Raises:
        DataError: a file that cannot be read, or that is no such result.
    """
    return [_read(path) for path in paths]


def _read(path: Path) -> Inspection:
    try:
        content = parse_json(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot be read: {reason(error)}") from error
    remedy = f"it is not a result of nsface inspect; `nsface inspect DATA --json {shown(path)}` writes one"
    return from_json(Inspection, content, str(path), remedy)


def facts(found: Inspection) -> dict[str, str]:
    """What to show of one result, by title."""
    per, gaps = found.images_per_identity, found.label_gaps
    sizes = [f"{size.height}×{size.width} ({size.images:,})" for size in found.sizes]
    rows = {
        "images": f"{found.images:,} ({found.kind})",
        "identities": f"{found.identities:,}",
        "images per identity": f"{per.min} – {per.max}, median {per.median:g}" if per else "–",
        "height × width": listing(sizes, 3),
        "alignment": f"{found.alignment:.2f}",
    }
    for place, (key, title) in enumerate(_COUNTS.items()):
        listed = getattr(found, key)
        count = listed if isinstance(listed, int) else len(listed)
        if count or place < _ALWAYS:
            rows[title] = f"{count:,}"
    if gaps and gaps.missing:
        rows["labels without an image"] = f"{gaps.missing:,}"
    return rows
