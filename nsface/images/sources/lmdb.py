"""Images in an LMDB environment (needs the extra `lmdb`).

Two layouts are read, told apart by the keys; values are encoded images, nothing is unpickled:

    IDENTITY/IMAGE.jpg → image                      as in a folder
    image-000000001 → image, label-000000001 → 7    the label is text; any key that begins with `image`
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from nsface.errors import DataError, shown
from nsface.files import reason
from nsface.images.dimensions import image_extension
from nsface.images.sources.base import Source, identity_of, readable, without_common_folder
from nsface.untrusted import isolated

_FILE = "data.mdb"
_IMAGE, _LABEL = b"image", b"label"
_PAGE_HEADER = 16  # bytes
# a meta page: magic, version, address, size of the map, two databases of 48 bytes (the first begins with the
# size of a page), the last page, the number of the transaction
_META = struct.Struct("<IIQQI44x48xQQ")
_MAGIC = 0xBEEFC0DE
_LONGEST_LABEL = 1000  # bytes


class _Content(NamedTuple):
    """Keys of the images and their extensions, texts of the labels by key, and the first other key."""

    keys: list[bytes]
    extensions: list[str]
    labels: dict[bytes, bytes]
    other: bytes


class LmdbSource(Source):
    """Every value of the environment that is an image, in byte order of the keys.

    Raises:
        DataError: the package is not installed, the environment cannot be read or is damaged, or its values
            are no images.
    """

    kind = "lmdb"
    opened = ("_lmdb", "_environment", "_process", "_lock")

    def __init__(self, folder: Path) -> None:
        try:
            import lmdb
        except ImportError as error:
            raise DataError(f'{folder}: LMDB needs a package more: pip install "nsface[lmdb]"') from error
        self.location = str(folder)
        _check_size(folder / _FILE)
        # the library trusts the file: a damaged one can end the process that reads it
        content = isolated(_read_all, self.location, where=self.location)
        if not content.keys and content.other:
            raise DataError(
                f"{folder}: the value of {content.other[:40]!r} is no encoded image; "
                "keys must be IDENTITY/IMAGE.jpg, or image-NUMBER with label-NUMBER"
            )
        self._keys = content.keys
        self._labels = {
            key: identity_of(text.decode("utf-8", "surrogateescape")) for key, text in content.labels.items()
        }
        texts = [key.decode("utf-8", "surrogateescape") for key in content.keys]
        names = [
            text if "." in text else text + end for text, end in zip(texts, content.extensions, strict=True)
        ]
        self.names = [readable(name) for name in without_common_folder(names)]
        try:
            self._open()
        except lmdb.Error as error:
            raise DataError(_unreadable(folder, error)) from error

    def _open(self) -> None:
        import lmdb

        self._lmdb = lmdb
        self._environment: Any = _environment(self.location)
        self._process = os.getpid()
        self._lock = threading.Lock()

    def _own(self) -> Any:
        """The environment, opened anew on the other side of a fork, where it must not be used."""
        with self._lock:
            if self._process != os.getpid():
                self._environment.close()  # it cannot be open twice
                self._open()
            return self._environment

    @property
    def labelled(self) -> bool:
        return bool(self._labels)

    @property
    def identities(self) -> list[str]:
        if not self._labels:
            return list(super().identities)
        return [self._labels.get(key.removeprefix(_IMAGE), "") for key in self._keys]

    def read(self, index: int) -> bytes:
        try:
            with self._own().begin() as transaction:
                value = transaction.get(self._keys[index])
        except self._lmdb.Error as error:
            raise OSError(str(error)) from error
        if value is None:
            raise OSError("the key is not there any more")
        return bytes(value)

    def stamps(self) -> Iterable[tuple[str, int]]:
        status = (Path(self.location) / _FILE).stat()
        for key in self._keys:
            yield f"{key!r} {status.st_size}", status.st_mtime_ns


def is_lmdb(folder: Path) -> bool:
    return (folder / _FILE).is_file()


def _environment(folder: str) -> Any:
    import lmdb

    return lmdb.open(folder, readonly=True, lock=False, readahead=False, max_readers=512)


def _unreadable(folder: str | Path, error: Exception) -> str:
    return f"{folder}: not an LMDB environment that can be read ({shown(error)[:120]})"


def _read_all(folder: str) -> _Content:
    """What lies in the environment. Every image is looked up as `read` does, and touched at its end, so that
    none of them lies beyond the file."""
    import lmdb

    content = _Content([], [], {}, b"")
    try:
        with _environment(folder) as environment, environment.begin(buffers=True) as transaction:
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
        raise DataError(_unreadable(folder, error)) from error
    return content


def _check_size(path: Path) -> None:
    """Raise a DataError where the file is shorter than its newest meta page says: a cut one, whose pages the
    library would look for beyond its end."""
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
