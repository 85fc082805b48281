"""What `nsface align` has written of a folder of images, for the meta data of their embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nsface.images.alignment.aligning import SUMMARY
from nsface.untrusted import parse_json

_LARGEST = 1 << 20  # bytes of a record; it has a dozen keys


def alignment_meta(location: str) -> dict[str, Any]:
    """`{"alignment": …}` with `template`, `size` (height, width) and `detector` of the images in a folder.

    `detector` is `landmarks` where a file gave the points. Nothing for images that `nsface align` did not
    make.

    Raises:
        DataError: an `align.json` that is no JSON.
    """
    path = Path(location) / SUMMARY
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return {}
    record = parse_json(path.read_bytes(), str(path))
    if not isinstance(record, dict) or "template" not in record:
        return {}
    detector = "landmarks" if "landmarks" in record else record.get("detector")
    return {"alignment": {"template": record["template"], "size": record.get("size"), "detector": detector}}
