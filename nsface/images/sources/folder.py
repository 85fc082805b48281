"""Images in a folder tree."""

from __future__ import annotations

import os
from pathlib import Path

from nsface.errors import DataError
from nsface.files import reason
from nsface.images.sources.base import is_hidden, printable, why_passed_over, without_common_folder
from nsface.images.sources.files import FilesSource


class FolderSource(FilesSource):
    """Every image below `root`, in byte order of the paths; links are followed to files, not to folders.

    Raises:
        DataError: a folder in the tree cannot be read.
    """

    kind = "folder"

    def __init__(self, root: Path) -> None:
        found, passed_over = _walk(root)
        super().__init__(str(root), without_common_folder(found), root, found)
        self.passed_over = [(printable(name), why) for name, why in sorted(passed_over)]


def _walk(root: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Sorted paths of all images below `root`, relative to it, with `/`; what is passed over, and why."""

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read: {reason(error)}") from error

    images: list[str] = []
    passed_over: list[tuple[str, str]] = []
    for folder, folders, files in os.walk(root, onerror=refuse):
        inside = Path(folder).relative_to(root).as_posix()
        start = "" if inside == "." else f"{inside}/"
        kept = []
        for name in folders:
            path = start + name
            if is_hidden(name):
                passed_over.append((path, "hidden folder"))
            elif os.path.islink(os.path.join(folder, name)):
                passed_over.append((path, "link to a folder, not followed"))
            else:
                kept.append(name)
        folders[:] = kept
        for name in files:
            path = start + name
            if (why := why_passed_over(name)) is None:
                images.append(path)
            else:
                passed_over.append((path, why))
        if not folders and not files and start:
            passed_over.append((inside, "empty folder"))
    return sorted(images), passed_over
