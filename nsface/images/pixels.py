"""Decoding of all images of a source into one contiguous uint8 array, in memory or in a file."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from nsface.errors import DataError, listing
from nsface.files import make_folder, reason, replacing
from nsface.images import decoding_memory
from nsface.images.pixel_file import PixelFile
from nsface.images.pixel_file import Pixels as Pixels
from nsface.images.sources import Source, StoreSource
from nsface.untrusted import read_array_header

Progress = Callable[[int], object]
CHUNK = 256
OTHER_SIZE = "is needed"  # how the reason for an image of another size ends


def read_image(
    source: Source, index: int, height: int, width: int, fit: Callable[[Pixels], Pixels] | None = None
) -> Pixels:
    """Image `index` of `source` as RGB, uint8, `height` × `width` × 3.

    Args:
        fit: what makes this size of images of some other sizes, and leaves the rest as they are.

    Raises:
        DataError: it is unreadable, or of another size; the message starts with its name.
    """
    name = source.names[index]
    try:
        with decoding_memory.limited():
            pixels = source.pixels(index)
    except OSError as error:
        raise DataError(f"{name}: {reason(error)}") from error
    if fit is not None:
        pixels = fit(pixels)
    if pixels.shape != (height, width, 3):
        raise DataError(
            f"{name}: {pixels.shape[0]}×{pixels.shape[1]} (height × width) "
            f"where {height}×{width} {OTHER_SIZE}"
        )
    return pixels


def stored_pixels(source: Source, height: int, width: int) -> PixelFile | None:
    """The pixels of a packed store as they lie on disk: uint8, N × `height` × `width` × 3, RGB.

    None where `source` is not a store, or is a store of encoded images.

    Raises:
        DataError: the store has images of another size.
    """
    if not isinstance(source, StoreSource) or source.pixel_file is None:
        return None
    if source.pixel_file.shape[1:3] != (height, width):
        stored = "{1}×{2}".format(*source.pixel_file.shape)
        raise DataError(
            f"{source.location}: {stored} (height × width) where {height}×{width} is needed; pack "
            "images that are aligned at this size"
        )
    return source.pixel_file


def decode_into(
    pixels: Pixels,
    source: Source,
    indices: Sequence[int],
    progress: Progress | None = None,
    *,
    fit: Callable[[Pixels], Pixels] | None = None,
) -> dict[int, str]:
    """Decode the images `indices` of `source` into `pixels` (uint8, N × H × W × 3, RGB), on all cores.

    Args:
        fit: as for `read_image`; called by several threads.

    Returns:
        the reason for each image that cannot be used, by its position in `pixels`, in order.
    """
    height, width = pixels.shape[1:3]

    cores = os.cpu_count() or 1
    chunk = max(1, min(CHUNK, -(-len(indices) // cores)))

    def decode_chunk(start: int) -> dict[int, str]:
        bad = {}
        for position in range(start, min(start + chunk, len(indices))):
            try:
                pixels[position] = read_image(source, indices[position], height, width, fit)
            except DataError as error:
                bad[position] = str(error)
        return bad

    bad: dict[int, str] = {}
    starts = range(0, len(indices), chunk)
    with ThreadPoolExecutor(cores) as pool:
        for start, found in zip(starts, pool.map(decode_chunk, starts), strict=True):
            bad.update(found)
            if progress:
                progress(min(chunk, len(indices) - start))
    return bad


def raise_if_unusable(
    source: Source,
    bad: dict[int, str],
    total: int,
    remedy: str = "mend them, or pack the others with `nsface pack --skip-bad`",
    alignment: str = "`nsface align`",
) -> None:
    """Raise a DataError with the reasons for the first ten of the `bad` images, if there are any.

    The remedy is to align the images, by `alignment`, where all `total` of them have another size.
    """
    if bad:
        if len(bad) == total and all(why.endswith(OTHER_SIZE) for why in bad.values()):
            remedy = f"align them to this size, by {alignment}"
        named = listing(list(bad.values()))
        raise DataError(f"{source.location}: {len(bad)} of {total} images cannot be used: {named}; {remedy}")


def load_pixels(
    source: Source,
    indices: Sequence[int],
    height: int,
    width: int,
    cache: str | None = None,
    progress: Progress | None = None,
) -> Pixels | PixelFile:
    """Decode the images `indices` of `source`: uint8, N × `height` × `width` × 3, RGB.

    Without `cache` the pixels are in memory. With `cache`, a folder, they are in a file there, which is named
    after the content of the source and is made only once.

    Raises:
        DataError: images are unreadable or of another size (all are counted, ten are named), or the pixels
            would fill more than half of the memory and there is no cache.
        NsfaceError: the cache folder cannot be written.
    """
    shape = (len(indices), height, width, 3)
    if cache is None:
        check_memory(source, shape)
        in_memory = np.empty(shape, np.uint8)
        raise_if_unusable(source, decode_into(in_memory, source, indices, progress), len(indices))
        return in_memory

    key = hashlib.sha256(f"{source.dated_fingerprint()} {shape} {list(indices)}".encode()).hexdigest()
    file = Path(cache) / f"pixels-{key[:32]}.npy"
    pixels = _cached(file, shape)
    if pixels is None:
        make_folder(file.parent)
        with replacing(file) as temporary:
            made = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            _allocate(temporary)
            raise_if_unusable(source, decode_into(made, source, indices, progress), len(indices))
            made.flush()
        pixels = _cached(file, shape)
    if pixels is None:
        raise DataError(f"{file}: cannot be read back; choose another `cache:`")
    return pixels


def check_memory(source: Source, shape: tuple[int, ...]) -> None:
    """Refuse to keep pixels of this `shape` in memory where they would fill more than half of it.

    Raises:
        DataError: they would.
    """
    needed, memory = int(np.prod(shape)), decoding_memory.main_memory()
    if needed > memory // 2:
        raise DataError(
            f"{source.location}: {needed / 2**30:.1f} GiB of pixels against {memory / 2**30:.1f} GiB of "
            "memory; give `cache: FOLDER` in the recipe to read them from disk"
        )


def _allocate(sparse: Path) -> None:
    """Allocate the whole file on disk: where the disk is full, writing to a mapped file is a bus error."""
    if sys.platform != "darwin":  # which has no such call
        with sparse.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)


def _cached(path: Path, shape: tuple[int, int, int, int]) -> PixelFile | None:
    """The pixels in the file `path`; None where it is missing or damaged."""
    try:
        with path.open("rb") as file:
            header = read_array_header(file, os.fstat(file.fileno()).st_size, str(path))
        sound = header.shape == shape and header.dtype == np.uint8 and not header.fortran_order
        return PixelFile(path, shape, header.offset) if sound else None
    except (FileNotFoundError, DataError):
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
