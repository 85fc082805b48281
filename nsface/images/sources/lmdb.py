"""Images in an LMDB environment (needs the extra `lmdb`).

Two layouts are read, told apart by the keys; values are encoded images, nothing is unpickled:

    IDENTITY/IMAGE.jpg → image                      as in a folder
    image-000000001 → image, label-000000001 → 7    the label is text; any key that begins with `image`
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nsface.errors import DataError
from nsface.images.dimensions import image_extension
from nsface.images.sources.base import Source, readable, without_common_folder

_FILE = "data.mdb"
_IMAGE, _LABEL = b"image", b"label"


class LmdbSource(Source):
    """Every value of the environment that is an image, in byte order of the keys.

    Raises:
        DataError: the package is not installed, the environment cannot be read, or its values are no images.
    """

    kind = "lmdb"
    opened = ("_lmdb", "_environment", "_process", "_lock")

    def __init__(self, folder: Path) -> None:
        try:
            import lmdb
        except ImportError as error:
            raise DataError(f'{folder}: LMDB needs a package more: pip install "nsface[lmdb]"') from error
        self.location = str(folder)
        try:
            self._open()
            with self._environment.begin(buffers=True) as transaction:
                self._list(transaction)
        except lmdb.Error as error:
            raise DataError(f"{folder}: not an LMDB environment that can be read ({error})") from error

    def _open(self) -> None:
        import lmdb

        self._lmdb = lmdb
        self._environment: Any = lmdb.open(
            self.location, readonly=True, lock=False, readahead=False, max_readers=512
        )
        self._process = os.getpid()
        self._lock = threading.Lock()

    def _own(self) -> Any:
        """The environment, opened anew on the other side of a fork, where it must not be used."""
        with self._lock:
            if self._process != os.getpid():
                self._environment.close()  # it cannot be open twice
                self._open()
            return self._environment

    def _list(self, transaction: Any) -> None:
        keys: list[bytes] = []
        labels: dict[bytes, str] = {}
        extensions: list[str] = []
        other = b""
        for key_view, value in transaction.cursor():
            key = bytes(key_view)
            extension = image_extension(bytes(value[:16]))
            if extension is not None:
                keys.append(key)
                extensions.append(extension)
            elif key.startswith(_LABEL):
                labels[key.removeprefix(_LABEL)] = readable(
                    bytes(value).decode("utf-8", "surrogateescape").strip()
                )
            else:
                other = other or key
        if not keys and other:
            raise DataError(
                f"{self.location}: the value of {other[:40]!r} is no encoded image; "
                "keys must be IDENTITY/IMAGE.jpg, or image-NUMBER with label-NUMBER"
            )
        self._keys, self._labels = keys, labels
        texts = [key.decode("utf-8", "surrogateescape") for key in keys]
        names = [text if "." in text else text + end for text, end in zip(texts, extensions, strict=True)]
        self.names = [readable(name) for name in without_common_folder(names)]

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
