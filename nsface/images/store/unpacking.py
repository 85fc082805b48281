"""The unpacking of any source into a folder of images, with a folder for each identity."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path, PurePosixPath

from nsface.errors import DataError, NsfaceError
from nsface.files import new_folder, reason
from nsface.images.dimensions import image_extension
from nsface.images.parallel import in_order
from nsface.images.pixels import Progress, raise_if_unusable
from nsface.images.sources import Source
from nsface.names import leads_outside

CHUNK = 64  # images
_SAME_FORMAT = {".jpeg": ".jpg", ".tiff": ".tif"}


def write_folder(
    source: Source,
    target: Path,
    *,
    skip_bad: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Write the images of `source` to the new folder `target`: encoded images unchanged, pixels as PNG files.

    An image keeps its name where that puts it into a folder called like its identity, or where it has no
    identity; otherwise it becomes `IDENTITY/NUMBER.jpg`. The extension is that of its format.

    Args:
        skip_bad: leave out files that cannot be read or are no images.
        workers: number of threads; by default one for each core.
        progress: called with the number of images done since the last call.

    Returns:
        the reason for each image that was left out.

    Raises:
        DataError: there are bad images and not `skip_bad`, or a name leads out of the folder or occurs twice.
        NsfaceError: `target` exists and is not empty, or cannot be written.
    """
    identities = source.identities
    bad: dict[int, str] = {}
    with new_folder(target) as folder:

        def write(first: int) -> dict[int, str]:
            found = {}
            for index in range(first, min(first + CHUNK, len(source))):
                try:
                    data = source.read(index)
                except OSError as error:
                    found[index] = f"{source.names[index]}: {reason(error)}"
                    continue
                extension = image_extension(data)
                if extension is None:
                    found[index] = f"{source.names[index]}: not an image"
                else:
                    _write(folder, _path(source.names[index], identities[index], index, extension), data)
            return found

        for number, found in enumerate(in_order(write, range(0, len(source), CHUNK), workers)):
            bad.update(found)
            if progress:
                progress(min(CHUNK, len(source) - number * CHUNK))
        if not skip_bad or len(bad) == len(source):
            raise_if_unusable(source, bad, len(source), "mend them, or leave them out with --skip-bad")
    return list(bad.values())


def _path(name: str, identity: str, index: int, extension: str) -> PurePosixPath:
    """The path of an image relative to the folder.

    Raises:
        DataError: it leads out of the folder.
    """
    if identity and PurePosixPath(name).parent.name != PurePosixPath(identity).name:
        name = f"{identity}/{index:08d}{extension}"
    base, given = posixpath.splitext(name)
    path = PurePosixPath(
        name if _SAME_FORMAT.get(given.lower(), given.lower()) == extension else base + extension
    )
    if leads_outside(path):
        raise DataError(f"{name}: this name leads out of the folder; nothing is written")
    return path


def _write(folder: Path, path: PurePosixPath, data: bytes) -> None:
    try:
        os.makedirs(folder / path.parent, exist_ok=True)
        with (folder / path).open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise DataError(f"{path}: two images have this name") from error
    except OSError as error:
        raise NsfaceError(f"cannot write {path}: {reason(error)}") from error
