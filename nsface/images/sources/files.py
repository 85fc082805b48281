"""What sources made of separate files share."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from nsface.files import reason
from nsface.images.sources.base import Source, readable


class FilesSource(Source):
    """Images that are files of their own, in the order of `paths`."""

    def __init__(self, location: str, names: Sequence[str], paths: Sequence[Path]) -> None:
        self.location = location
        self.names = [readable(name) for name in names]
        self._paths = paths

    def read(self, index: int) -> bytes:
        # without O_NONBLOCK, opening a named pipe would wait for a writer for ever
        with open(os.open(self._paths[index], os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("not a regular file")
            return file.read()

    def stamps(self) -> Iterable[tuple[str, int]]:
        for path in self._paths:
            try:
                status = path.stat()
            except OSError as error:
                yield reason(error), 0
            else:
                yield str(status.st_size), status.st_mtime_ns
