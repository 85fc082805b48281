"""Sources of images: a file for each kind, behind the small interface of `base.Source`."""

from __future__ import annotations

import os
import re
import tarfile
from pathlib import Path

from nsface.errors import DataError, shown
from nsface.files import reason
from nsface.images.sources.base import Source, numbered
from nsface.images.sources.bin import BinSource
from nsface.images.sources.folder import FolderSource
from nsface.images.sources.listing import STANDARD_INPUT, ArrivingList, ListSource
from nsface.images.sources.lmdb import LmdbSource, is_lmdb
from nsface.images.sources.parquet import ParquetSource, is_parquet, one_split
from nsface.images.sources.rec import RecSource
from nsface.images.sources.recordio import MAGIC
from nsface.images.sources.selection import Selection, parse_location
from nsface.images.sources.store import StoreSource, is_store
from nsface.images.sources.tar import DAMAGED, TarSource
from nsface.images.sources.video import VideoSource, find_videos

__all__ = [
    "NO_IMAGES",
    "ArrivingList",
    "BinSource",
    "FolderSource",
    "ListSource",
    "LmdbSource",
    "ParquetSource",
    "RecSource",
    "Source",
    "StoreSource",
    "TarSource",
    "VideoSource",
    "numbered",
    "open_source",
]

NO_IMAGES = "no images in it (looked for .jpg, .png, .webp, .bmp and .tif)"
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_REC = "train.rec"


def open_source(location: str | os.PathLike[str]) -> Source:
    """Open the images at `location`.

    It is a folder of images or of videos, a list of paths (`-`: on standard input), a tar, a packed store,
    MXNet's .rec or a folder with train.rec, InsightFace's .bin, LMDB or Parquet. `{0000..0123}` in a path
    stands for the numbers from 0000 to 0123: the shards, tar or Parquet, of one set.
    `LOCATION#split=train,label=person` selects one split of Parquet files, and names the column, or the key
    of the JSON in a tar, that is the label. The kind is recognised from the content, not from the name.

    Raises:
        DataError: there is nothing at the location, it cannot be read as images, or it has no image.

    Example:
        >>> source = open_source("faces.tar")  # doctest: +SKIP
        >>> source.names[0], source.identities[0], source.pixels(0).shape  # doctest: +SKIP
        ('Ada/1.jpg', 'Ada', (112, 96, 3))
    """
    location = os.fspath(location)
    try:
        source = _opened(location)
    except OSError as error:  # a path too long, or in a folder that one may not enter
        raise DataError(f"{shown(location)[:300]}: cannot be read: {reason(error)}") from error
    if not source.names:
        where = STANDARD_INPUT if location == "-" else shown(location)
        note = f"; {source.unread_note}" if source.unread_note else ""
        raise DataError(f"{where}: {NO_IMAGES}{note}")
    return source


def _opened(location: str) -> Source:
    if not location:
        raise DataError("no images given: their path is empty")
    if location == "-":
        return ListSource.from_standard_input()
    plain, selection = parse_location(location)
    path = Path(plain)
    if path.is_dir():
        source = _open_folder(path, selection)
    elif not path.exists() and _BRACES.search(plain):
        source = _open_shards(plain, selection)
    elif not path.exists():
        raise DataError(
            f"{shown(plain)}: no such file or folder; give a folder, a tar, a list of images or another set"
        )
    elif not path.is_file():
        raise DataError(f"{shown(plain)}: neither a file nor a folder; give one of them")
    else:
        source = _open_file(path, selection)
    if selection != Selection() and not isinstance(source, ParquetSource | TarSource):
        raise DataError(
            f"{shown(location)}: a {source.kind} has no splits and no named labels to select from"
        )
    return source


def _open_folder(path: Path, selection: Selection) -> Source:
    if is_store(path):
        return StoreSource(path)
    if is_lmdb(path):
        return LmdbSource(path)
    if (path / _REC).is_file():
        return RecSource(path / _REC)
    source = FolderSource(path)
    if not source.names:
        shards = sorted(shard for shard in path.glob("**/*.parquet") if is_parquet(shard))
        if shards:
            return ParquetSource(one_split(shards, path, selection.split), str(path), selection.label)
        if find_videos(path):
            return VideoSource(path)
    return source


_COMPRESSED = re.compile(rb"\x1f\x8b|BZh[1-9]1AY&SY|\xfd7zXZ\0|\x28\xb5\x2f\xfd")


def _open_file(path: Path, selection: Selection) -> Source:
    try:
        with path.open("rb") as file:
            start = file.read(10)
        if start[:4] == MAGIC.to_bytes(4, "little"):
            return RecSource(path)
        if is_parquet(path):
            return ParquetSource([path], str(path), selection.label)
        if path.name == "data.mdb" and is_lmdb(path.parent):
            return LmdbSource(path.parent)
        if start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5"):  # a pickle
            return BinSource(path)
        if _COMPRESSED.match(start):
            raise DataError(f"{shown(path)}: compressed (gzip, bzip2, xz or Zstandard); decompress it")
        if _is_tar(path):
            return TarSource([path], str(path), selection.label)
        if find_videos(path):
            return VideoSource(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
    return ListSource.from_file(path)


def _is_tar(path: Path) -> bool:
    try:
        with tarfile.open(path, mode="r:"):
            return True
    except tarfile.TarError:
        return False
    except DAMAGED:
        return True  # TarSource says what is wrong with it


def _open_shards(location: str, selection: Selection) -> Source:
    paths = [Path(shard) for shard in expanded(location)]
    for path in paths:
        if not path.is_file():
            raise DataError(f"{shown(location)}: {shown(path)}: no such file; all shards must be there")
    if all(is_parquet(path) for path in paths):
        return ParquetSource(paths, location, selection.label)
    return TarSource(paths, location, selection.label)


def expanded(pattern: str) -> list[str]:
    """`a{08..10}.tar` → `a08.tar`, `a09.tar`, `a10.tar`; the first range varies slowest.

    Raises:
        DataError: a range that falls, or of more than 100,000 numbers.
    """
    found = _BRACES.search(pattern)
    if found is None:
        return [pattern]
    first, last = int(found[1]), int(found[2])
    if not 0 <= last - first < 100_000:
        raise DataError(f"{pattern}: {found[0]} must rise, by less than 100,000")
    rest = expanded(pattern[found.end() :])
    return [
        f"{pattern[: found.start()]}{number:0{len(found[1])}d}{end}"
        for number in range(first, last + 1)
        for end in rest
    ]
