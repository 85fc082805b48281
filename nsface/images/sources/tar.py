"""Images in a tar file, read in place."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

from nsface.errors import DataError
from nsface.files import reason
from nsface.images.sources.base import Source, is_image_name, without_common_folder


class TarSource(Source):
    """Every image in an uncompressed tar, in byte order of the names. Nothing is unpacked.

    Only regular members count: links and devices are passed over, and no name is ever used as a path.

    Raises:
        DataError: compressed, truncated, or not readable.
    """

    def __init__(self, path: Path) -> None:
        self.location = str(path)
        try:
            with tarfile.open(path, mode="r:") as archive:
                members = [m for m in archive if m.isreg() and not m.issparse() and is_image_name(m.name)]
            self._file = path.open("rb")
        except tarfile.ReadError as error:
            raise DataError(
                f"{path}: not an intact uncompressed tar ({error}); decompress it, or copy it again"
            ) from error
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {reason(error)}") from error
        latest = {
            member.name: member for member in members
        }  # as tar does: a later member replaces an earlier
        self._members = [latest[name] for name in sorted(latest)]
        self._size = path.stat().st_size
        self.names = without_common_folder([member.name for member in self._members])

    def read(self, index: int) -> bytes:
        member = self._members[index]
        # pread keeps no position, so threads can share the file
        data = os.pread(self._file.fileno(), member.size, member.offset_data)
        if len(data) != member.size:
            raise OSError(f"the tar ends inside this member, at byte {self._size}")
        return data

    def stamps(self) -> Iterable[str]:
        changed = os.fstat(self._file.fileno()).st_mtime_ns
        for member in self._members:
            yield f"{member.size} {member.offset_data} {changed}"
