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
from nsface.images.sources.base import Source, identity_of, printable, without_common_folder
from nsface.images.sources.lmdb_content import FILE, check_size, open_environment, read_all, unreadable
from nsface.untrusted import isolated

_IMAGE = b"image"


class LmdbSource(Source):
    """Every value of the environment that is an image, in byte order of the keys.

    Raises:
        DataError: the package is not installed, the environment cannot be read or is damaged, or its values
            are no images.
    """

    kind = "lmdb"
    per_process = ("_lmdb", "_environment", "_process", "_lock")

    def __init__(self, folder: Path) -> None:
        try:
            import lmdb
        except ImportError as error:
            raise DataError(f'{folder}: LMDB needs another package: pip install "nsface[lmdb]"') from error
        self.location = str(folder)
        self._file, self._size = folder / FILE, check_size(folder / FILE)
        # the library trusts the file: a damaged one can end the process that reads it
        content = isolated(read_all, self.location, where=self.location)
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
        self.names = [printable(name) for name in without_common_folder(names)]
        try:
            self._open()
        except lmdb.Error as error:
            raise DataError(unreadable(folder, error)) from error

    def _open(self) -> None:
        import lmdb

        self._lmdb = lmdb
        self._environment: Any = open_environment(self.location)
        self._process = os.getpid()
        self._lock = threading.Lock()

    def _environment_here(self) -> Any:
        """The environment, opened anew after a fork: a process must not use that of its parent."""
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
        if os.stat(self._file).st_size < self._size:
            # the library maps the file: an access beyond its end would end this process
            raise OSError(f"the environment has become shorter than {self._size} bytes")
        try:
            with self._environment_here().begin() as transaction:
                value = transaction.get(self._keys[index])
        except self._lmdb.Error as error:
            raise OSError(str(error)) from error
        if value is None:
            raise OSError("its key is no longer there")
        return bytes(value)

    def stamps(self) -> Iterable[tuple[str, int]]:
        status = (Path(self.location) / FILE).stat()
        for key in self._keys:
            yield f"{key!r} {status.st_size}", status.st_mtime_ns


def is_lmdb(folder: Path) -> bool:
    return (folder / FILE).is_file()
