"""The base of sources whose images are separate files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from nsface.files import reason
from nsface.images.sources.base import Source, printable


class FilesSource(Source):
    """Images that are separate files, in the order of `paths`, which are relative to `root` or absolute."""

    def __init__(self, location: str, names: Sequence[str], root: Path, paths: Sequence[str]) -> None:
        self.location = location
        self.names = [printable(name) for name in names]
        self._root = root
        self._paths = paths  # as text: millions of `Path` take minutes and gigabytes

    def _path(self, index: int) -> str:
        return os.path.join(self._root, self._paths[index])

    def read(self, index: int) -> bytes:
        # without O_NONBLOCK, opening a named pipe would wait for a writer for ever
        with open(os.open(self._path(index), os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("not a regular file")
            return file.read()

    def stamps(self) -> Iterable[tuple[str, int]]:
        index = -1
        while (index := index + 1) < len(self._paths):  # which may grow: more paths may arrive meanwhile
            try:
                status = os.stat(self._path(index))
            except OSError as error:
                yield reason(error), 0
            else:
                yield str(status.st_size), status.st_mtime_ns
