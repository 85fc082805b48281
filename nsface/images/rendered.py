"""The mark of rendered faces: a file in the folder of a set, which results and reports are told of.

Whatever is trained or measured on images in a folder with `rendered.json`, or up to two folders below it,
says `"rendered": true`: in a run's environment.json and in the meta data of embeddings. A packed store has
the mark of what it was packed from.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nsface import __version__
from nsface.files import write_text

MARK = "rendered.json"
_ABOVE = 2  # folders: SET/ytf/frame_images_DB


def mark_rendered(folder: Path) -> None:
    """Mark the images in `folder` as rendered.

    Raises:
        NsfaceError: it cannot be written.
    """
    content = {"rendered": True, "nsface": __version__}
    write_text(folder / MARK, json.dumps(content, indent=1) + "\n")


def is_rendered(location: str) -> bool:
    """Whether the images in the file or folder `location` are marked as rendered."""
    path = Path(location).absolute()
    return path.exists() and any((folder / MARK).is_file() for folder in [path, *path.parents[:_ABOVE]])


def rendered_meta(location: str) -> dict[str, Any]:
    """What is recorded of images in `location`: `{"rendered": True}`, or nothing without the mark."""
    return {"rendered": True} if is_rendered(location) else {}
