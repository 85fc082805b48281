"""The content of an LMDB environment, read without trusting its file.

The module imports little, for it runs in a process of its own: the library can end a process that reads a
damaged file.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, NamedTuple

from nsface.errors import DataError, shown
from nsface.files import reason
from nsface.images.dimensions import image_extension

FILE = "data.mdb"
_LABEL = b"label"
_LONGEST_LABEL = 1000  # bytes
_PAGE_HEADER = 16  # bytes
# a meta page: magic, version, address, size of the map, two databases of 48 bytes (the first begins with the
# size of a page), the last page, the number of the transaction
_META = struct.Struct("<IIQQI44x48xQQ")
_MAGIC = 0xBEEFC0DE


class Content(NamedTuple):
    """The keys of the images and their extensions, texts of the labels by key, and the first other key."""

    keys: list[bytes]
    extensions: list[str]
    labels: dict[bytes, bytes]
    other: bytes


def open_environment(folder: str) -> Any:
    import lmdb

    return lmdb.open(folder, readonly=True, lock=False, readahead=False, max_readers=512)


def unreadable(folder: str | Path, error: Exception) -> str:
    return f"{folder}: not an LMDB environment that can be read ({shown(error)[:120]})"


def read_all(folder: str) -> Content:
    """The content of the environment.

    Every image is looked up as `read` does, and its last byte is read, so that none lies beyond the file.
    """
    import lmdb

    content = Content([], [], {}, b"")
    try:
        with open_environment(folder) as opened, opened.begin(buffers=True) as transaction:
            for key_view, value in transaction.cursor():
                key, extension = bytes(key_view), image_extension(bytes(value[:16]))
                if extension is not None:
                    content.keys.append(key)
                    content.extensions.append(extension)
                elif key.startswith(_LABEL):
                    content.labels[key.removeprefix(_LABEL)] = bytes(value[:_LONGEST_LABEL])
                elif not content.other:
                    content = content._replace(other=key)
            for key in content.keys:
                bytes((transaction.get(key) or b"")[-1:])
    except lmdb.Error as error:
        raise DataError(unreadable(folder, error)) from error
    return content


def check_size(path: Path) -> int:
    """The bytes that the newest meta page of the file promises.

    Raises:
        DataError: the file has fewer bytes, so it was cut short: the library would read beyond its end.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            metas = [_META.unpack_from(file.read(4096).ljust(4096, b"\0"), _PAGE_HEADER)]
            page = metas[0][4]
            file.seek(page)
            metas.append(_META.unpack_from(file.read(4096).ljust(4096, b"\0"), _PAGE_HEADER))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
    sound = [meta for meta in metas if meta[0] == _MAGIC]
    if not sound:
        raise DataError(f"{path}: not an LMDB environment that can be read (no meta page)")
    last = max(sound, key=lambda meta: int(meta[6]))[5]
    if (last + 1) * page > size:
        raise DataError(
            f"{path}: it should have {(last + 1) * page:,} bytes and has {size:,}; it is damaged or cut "
            "short, copy it again"
        )
    return int(last + 1) * int(page)
