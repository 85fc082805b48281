"""What sources made of separate files share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from nsface.images.sources.base import Source


class FilesSource(Source):
    """Images that are files of their own, in the order of `paths`."""

    def __init__(self, location: str, names: Sequence[str], paths: Sequence[Path]) -> None:
        self.location = location
        self.names = names
        self._paths = paths

    def read(self, index: int) -> bytes:
        return self._paths[index].read_bytes()

    def stamps(self) -> Iterable[str]:
        for path in self._paths:
            status = path.stat()
            yield f"{status.st_size} {status.st_mtime_ns}"
