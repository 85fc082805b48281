"""Images that the ranks of a machine decode once, into memory that they share."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nsface.errors import DataError, NsfaceError, shown
from nsface.files import reason
from nsface.images.pixels import Pixels, check_memory, decode_into, raise_if_unusable
from nsface.images.sources import Source
from nsface.ranks import Ranks

MEMORY = Path("/dev/shm")  # a file system in memory, on Linux


def decode_once(
    source: Source,
    indices: list[int],
    height: int,
    width: int,
    ranks: Ranks,
    progress: Callable[[int], object] | None = None,
) -> Pixels:
    """The pixels of the images `indices`: uint8, N × `height` × `width` × 3, RGB.

    The first rank of each machine decodes them for all on it. They lie in a file, in memory (/dev/shm) or
    else in the folder for temporary files, that has no name any more once all have opened it, before anything
    is decoded. However the ranks end, the system frees it.

    Raises:
        DataError: images are unreadable or of another size, or the pixels fill more than half of the memory.
        NsfaceError: there is no room for them, or the ranks of a machine do not see the same files.
    """
    shape = (len(indices), height, width, 3)
    first = ranks.first_on_machine()
    path = handle = None
    if first == ranks.rank:
        check_memory(source, shape)
        handle, path = _new_file(source, int(np.prod(shape)))
    try:
        shared = ranks.gathered(path)[first]
        if handle is None:
            handle = _opened(str(shared), first)
        ranks.wait()  # until all have opened it
    finally:
        if path is not None:
            os.unlink(path)
    with os.fdopen(handle, "r+b") as file:
        pixels = np.frombuffer(mmap.mmap(file.fileno(), 0), np.uint8).reshape(shape)
    if path is not None:
        raise_if_unusable(source, decode_into(pixels, source, indices, progress), len(indices))
    ranks.wait()  # until they are decoded
    return pixels


def _new_file(source: Source, size: int) -> tuple[int, str]:
    """A new file of `size` bytes, open, which this machine has room for, and its path."""
    folders = [folder for folder in (MEMORY, Path(tempfile.gettempdir())) if folder.is_dir()]
    roomy = [folder for folder in folders if shutil.disk_usage(folder).free > size]
    remedy = "give `cache: FOLDER` in the recipe, or pack the images"
    if not roomy:
        places = " and ".join(map(shown, folders))
        raise NsfaceError(
            f"{source.location}: {size / 2**30:.1f} GiB of pixels, which the ranks share, fit into none of "
            f"{places}; {remedy}"
        )
    try:
        handle, path = tempfile.mkstemp(prefix="nsface-pixels-", dir=roomy[0])
        try:
            # all of it now: where there is no room, writing to a mapped file ends the process
            os.ftruncate(handle, size)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle, 0, size)
        except BaseException:
            os.unlink(path)
            raise
    except OSError as error:
        raise NsfaceError(f"{roomy[0]}: no room for shared pixels: {reason(error)}; {remedy}") from error
    return handle, path


def _opened(path: str, owner: int) -> int:
    try:
        return os.open(path, os.O_RDWR)
    except OSError as error:
        raise DataError(
            f"{path}: rank {owner} on this machine has made it, and it cannot be opened here: "
            f"{reason(error)}; start the ranks of a machine in one container, or pack the images"
        ) from error
