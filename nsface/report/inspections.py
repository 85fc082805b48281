"""What `nsface inspect --json` found in sets of images: counts, without names of images and people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nsface.checked import checked
from nsface.errors import DataError, listing, shown
from nsface.files import reason
from nsface.report.results import Inspection
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


def read_inspections(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Read results of `nsface inspect --json`.

    Raises:
        DataError: a file that cannot be read, or that is no such result.
    """
    return [_read(path) for path in paths]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot be read: {reason(error)}") from error
    remedy = f"it is not a result of nsface inspect; `nsface inspect DATA --json {shown(path)}` writes one"
    return checked(Inspection, content, str(path), remedy)


def facts(result: dict[str, Any]) -> dict[str, str]:
    """What to show of one result, by title."""
    per, gaps = result["images_per_identity"], result["label_gaps"]
    sizes = [f"{size['height']}×{size['width']} ({size['images']:,})" for size in result["sizes"]]
    rows = {
        "images": f"{result['images']:,} ({result['kind']})",
        "identities": f"{result['identities']:,}",
        "images per identity": f"{per['min']} – {per['max']}, median {per['median']:g}" if per else "–",
        "height × width": listing(sizes, 3),
        "alignment": f"{result['alignment']:.2f}",
    }
    for place, (key, title) in enumerate(_COUNTS.items()):
        found = result.get(key, 0)
        count = found if isinstance(found, int) else len(found)
        if count or place < _ALWAYS:
            rows[title] = f"{count:,}"
    if gaps and gaps["missing"]:
        rows["labels without an image"] = f"{gaps['missing']:,}"
    return rows
