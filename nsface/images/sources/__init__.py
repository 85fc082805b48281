"""Where images come from: one file a kind, behind the small interface of `base.Source`."""

from __future__ import annotations

import tarfile
from pathlib import Path

from nsface.errors import DataError
from nsface.images.sources.base import Source
from nsface.images.sources.folder import FolderSource
from nsface.images.sources.listing import ListSource
from nsface.images.sources.tar import TarSource

__all__ = ["FolderSource", "ListSource", "Source", "TarSource", "open_source"]


def open_source(location: str) -> Source:
    """Open a folder, a tar file or a list of paths (`-`: paths on standard input).

    The kind is recognised from the content, not from the name.

    Raises:
        DataError: nothing there, nothing readable as images, or no image in it.
    """
    path = Path(location)
    if location == "-":
        source: Source = ListSource.from_standard_input()
    elif path.is_dir():
        source = FolderSource(path)
    elif not path.exists():
        raise DataError(f"{location}: no such file or folder; give a folder, a tar or a list of images")
    elif not path.is_file():
        raise DataError(f"{location}: neither a file nor a folder")
    elif is_tar(path):
        source = TarSource(path)
    else:
        source = ListSource.from_file(path)
    if not source.names:
        raise DataError(f"{location}: no images in it (looked for .jpg, .png, .webp, .bmp and .tif)")
    return source


def is_tar(path: Path) -> bool:
    """Whether `path` is a tar file that can be read, compressed or not."""
    try:
        return tarfile.is_tarfile(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
