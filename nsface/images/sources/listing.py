"""Images named in a list: one path a line, in a file or on standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from nsface.errors import DataError
from nsface.files import reason
from nsface.images.sources.base import without_common_folder
from nsface.images.sources.files import FilesSource
from nsface.names import has_image_extension


class ListSource(FilesSource):
    """The images that `lines` name, in that order; blank lines and lines that start with `#` are passed over.

    Args:
        lines: paths, absolute or relative to `root`.
        root: the folder of the list file; the working folder for standard input.
        location: what to call the list in messages.

    Raises:
        DataError: a line that names no image file, or a file that is not there (list and line are named).
    """

    def __init__(self, lines: Iterable[str], root: Path, location: str) -> None:
        entries: dict[str, int] = {}
        for number, line in enumerate(lines, start=1):
            entry = line.strip()
            if entry and not entry.startswith("#"):
                entries.setdefault(entry, number)
        paths = [root / entry for entry in entries]
        for path, number in zip(paths, entries.values(), strict=True):
            if not has_image_extension(path.name):
                raise DataError(f"{location}:{number}: not the path of an image: {str(path)[:120]}")
            if not path.is_file():
                raise DataError(f"{location}:{number}: no such image: {path}")
        names = without_common_folder([Path(entry).as_posix().lstrip("/") for entry in entries])
        super().__init__(location, names, paths)

    @classmethod
    def from_file(cls, path: Path) -> ListSource:
        """Read the list `path`; its relative paths start at its own folder."""
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: neither a tar nor a list of image paths in UTF-8") from error
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {reason(error)}") from error
        return cls(text.splitlines(), path.parent, str(path))

    @classmethod
    def from_standard_input(cls) -> ListSource:
        """Read paths from standard input; relative ones start at the working folder."""
        return cls(sys.stdin, Path(), "standard input")
