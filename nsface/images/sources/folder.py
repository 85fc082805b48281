"""Images in a folder tree."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from nsface.errors import DataError
from nsface.files import reason
from nsface.images.sources.base import is_image_name, without_common_folder
from nsface.images.sources.files import FilesSource


class FolderSource(FilesSource):
    """Every image below `root`, in byte order of the paths; links are followed to files, not to folders.

    Raises:
        DataError: a folder in the tree cannot be read.
    """

    def __init__(self, root: Path) -> None:
        relative = sorted(name for name in _walk(root) if is_image_name(name))
        super().__init__(str(root), without_common_folder(relative), [root / name for name in relative])


def _walk(root: Path) -> Iterable[str]:
    """Paths of all files below `root`, relative to it, with `/`."""

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read: {reason(error)}") from error

    for folder, _, files in os.walk(root, onerror=refuse):
        inside = Path(folder).relative_to(root)
        for file in files:
            yield (inside / file).as_posix()
