"""The packing of any source into a store.

While it is made, a store lies in the folder `STORE.partial`; packing the same source again goes on where the
work was interrupted (see `partial`). The finished folder is renamed to `STORE`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nsface import __version__
from nsface.errors import DataError, NsfaceError
from nsface.files import check_new_folder, place_folder, reason
from nsface.images import decoding_memory
from nsface.images.parallel import in_order
from nsface.images.partial import BlockEntry, Partial, remove_journal
from nsface.images.pixels import Progress, raise_if_unusable, read_image
from nsface.images.rendered import is_rendered, mark_rendered
from nsface.images.sources import Source, numbered
from nsface.images.sources.base import printable
from nsface.images.sources.store import (
    HEADER,
    IDENTITIES,
    IMAGES,
    LABELS,
    NAMES,
    OFFSETS,
    PIXELS,
    Block,
    Checksum,
    Data,
    Header,
    Origin,
)
from nsface.row_file import NPY_START, npy_header

BLOCK = 512  # images
SAMPLE = 101
Size = tuple[int, int]


class ImagesEntry(BlockEntry):
    """The entry of a block of images `first` … `first` + `count` − 1 of the source.

    Attributes:
        sizes: bytes of each image that was added, in their order.
        bad: the reason for each image that was not added, by its number in the source.
    """

    first: int
    count: int
    sizes: list[int]
    bad: dict[int, str]


class Packed(NamedTuple):
    """The number of images and of identities in a store, and the reason for each image that was left out."""

    images: int
    identities: int
    bad: list[str]


def pack(
    source: Source,
    store: Path,
    *,
    encoded: bool = False,
    skip_bad: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Packed:
    """Pack all images of `source` into the new folder `store`. Each is decoded, and so known to be intact.

    Args:
        encoded: store the encoded bytes instead of the pixels. They need less space, and the images can have
            any size; pixels need no decoding later, and all have the size of most images.
        skip_bad: leave out images that are unreadable or of another size, and report them.
        workers: number of threads; by default one for each core.
        progress: called with the number of images done since the last call, first with those that an
            interrupted call has done.

    Raises:
        DataError: there are bad images and not `skip_bad`, or all are bad.
        NsfaceError: `store` exists, or cannot be written.
    """
    if not store.name:
        raise NsfaceError(f"{store} has no name; give the path of a folder that does not exist")
    check_new_folder(store)
    size = None if encoded else common_size(source)
    identities = list(source.identities)
    fingerprint = source.fingerprint()
    plan = {
        "source": source.dated_fingerprint(),
        "identities": hashlib.sha256("\n".join(identities).encode()).hexdigest(),
        "size": size,
        "block": BLOCK,
    }
    data, start = (IMAGES, 0) if size is None else (PIXELS, NPY_START)
    folder = store.with_name(f"{store.name}.partial")
    with Partial(folder, plan, ImagesEntry, data, start, restart=True) as partial:
        done = sum(entry.count for entry in partial.entries)
        if progress:
            progress(done)
        starts = range(done, len(source), BLOCK)
        for entry, block in in_order(lambda first: _block(source, first, size), starts, workers):
            partial.add(entry, block)
            if progress:
                progress(entry.count)
        bad = {index: why for entry in partial.entries for index, why in entry.bad.items()}
        if not skip_bad or len(bad) == len(source):
            remedy = "mend them, or leave them out with --skip-bad; what is packed is kept in "
            raise_if_unusable(source, bad, len(source), f"{remedy}{folder}")
        good = [index for index in range(len(source)) if index not in bad]
        partial.complete(npy_header((len(good), *size, 3), "|u1") if size else b"")
        packed = _finish(partial, source, fingerprint, identities, good, size)
        place_folder(folder, store)
    remove_journal(store)
    return Packed(len(good), packed, list(bad.values()))


def common_size(source: Source) -> Size:
    """Height and width of most images of a sample.

    Raises:
        DataError: no image of the sample can be read.
    """
    sizes: Counter[Size] = Counter()
    bad: dict[int, str] = {}
    for index in np.linspace(0, len(source) - 1, min(SAMPLE, len(source))).astype(int).tolist():
        try:
            height, width, _ = source.pixels(index).shape
            sizes[height, width] += 1
        except DataError as error:
            bad[index] = str(error)
        except OSError as error:
            bad[index] = f"{source.names[index]}: {reason(error)}"
    if not sizes:
        raise_if_unusable(source, bad, len(source), "no image of a sample can be used")
    return sizes.most_common(1)[0][0]


def _block(source: Source, first: int, size: Size | None) -> tuple[ImagesEntry, Any]:
    """The journal entry and the bytes of the block of images from `first` on."""
    indices = range(first, min(first + BLOCK, len(source)))
    bad: dict[int, str] = {}
    sizes: list[int] = []
    if size is None:
        images = []
        for index in indices:
            try:
                images.append(_checked_bytes(source, index))
                sizes.append(len(images[-1]))
            except DataError as error:
                bad[index] = str(error)
        data: Any = b"".join(images)
    else:
        pixels = np.empty((len(indices), *size, 3), np.uint8)
        for index in indices:
            try:
                pixels[len(sizes)] = read_image(source, index, *size)
                sizes.append(pixels[0].size)
            except DataError as error:
                bad[index] = str(error)
        data = pixels[: len(sizes)].reshape(-1).data
    digest = hashlib.sha256(data).hexdigest()
    return (
        ImagesEntry(first=first, count=len(indices), bytes=sum(sizes), sha256=digest, sizes=sizes, bad=bad),
        data,
    )


def _checked_bytes(source: Source, index: int) -> bytes:
    """The bytes of the encoded image `index`, after it was decoded as a check.

    Raises:
        DataError: it cannot be decoded; the message starts with its name.
    """
    try:
        with decoding_memory.limited():
            source.pixels(index)
        return source.read(index)
    except OSError as error:
        raise DataError(f"{source.names[index]}: {reason(error)}") from error


def _finish(
    partial: Partial[ImagesEntry],
    source: Source,
    fingerprint: str,
    identities: list[str],
    good: list[int],
    size: Size | None,
) -> int:
    """Write all files of the store but the data file, and return the number of identities."""
    kept = [identities[index] for index in good]
    labels, names = numbered(identity for identity in kept if identity)
    all_labels = np.full(len(good), -1, np.int64)
    all_labels[[bool(identity) for identity in kept]] = labels
    blocks = [Block(images=len(e.sizes), bytes=e.bytes, sha256=e.sha256) for e in partial.entries if e.sizes]
    folder = partial.folder
    try:
        (folder / NAMES).write_bytes(_lines(source.names[index] for index in good))
        (folder / IDENTITIES).write_bytes(_lines(names))
        np.save(folder / LABELS, all_labels)
        small = [NAMES, IDENTITIES, LABELS]
        if size is None:
            sizes = [0, *(size for entry in partial.entries for size in entry.sizes)]
            np.save(folder / OFFSETS, np.cumsum(sizes, dtype=np.int64))
            small.append(OFFSETS)
        header = Header(
            images=len(good),
            identities=len(names),
            height=size[0] if size else None,
            width=size[1] if size else None,
            labelled=source.labelled,
            source=Origin(location=printable(source.location), kind=source.kind, fingerprint=fingerprint),
            nsface=__version__,
            files={name: _checksum(folder / name) for name in small},
            data=Data.model_validate(
                {
                    "file": PIXELS if size else IMAGES,
                    "bytes": sum(block.bytes for block in blocks),
                    "blocks": blocks,
                }
            ),
        )
        text = json.dumps(header.model_dump(), indent=1, ensure_ascii=False)
        (folder / HEADER).write_text(text + "\n", encoding="utf-8")
        if is_rendered(source.location):
            mark_rendered(folder)
    except OSError as error:
        raise NsfaceError(f"cannot write {folder}: {reason(error)}") from error
    return len(names)


def _lines(texts: Iterable[str]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def _checksum(path: Path) -> Checksum:
    data = path.read_bytes()
    return Checksum(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
