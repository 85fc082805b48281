"""Images in a tar file, or in several, read in place."""

from __future__ import annotations

import json
import os
import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from nsface.errors import DataError
from nsface.files import reason
from nsface.images.sources.base import Source, is_hidden, readable, without_common_folder
from nsface.names import has_image_extension, plain

_LABEL_FILES = {".cls", ".json"}
_LONGEST_LABEL_FILE = 1 << 20
_NOT_REGULAR = {
    tarfile.LNKTYPE: "link, not followed",
    tarfile.SYMTYPE: "link, not followed",
    tarfile.CHRTYPE: "device, not read",
    tarfile.BLKTYPE: "device, not read",
    tarfile.FIFOTYPE: "named pipe, not read",
}


class Member(NamedTuple):
    """A file in a tar: which tar, and where in it."""

    name: str
    shard: int
    offset: int
    size: int


class TarSource(Source):
    """Every image in uncompressed tars, in byte order of the names in each. Nothing is unpacked.

    Only regular members count, and hard links to them; symbolic links and devices are passed over, and so are
    names with `..`; no name is ever used as a path. In WebDataset's layout files with the same stem are one
    sample: the label of `key.jpg` is the whole number in `key.cls`, or `label` in `key.json`. Without such
    labels the folder is the identity.

    Args:
        paths: one tar, or the shards of one set in their order.
        location: what to call the set in messages.

    Raises:
        DataError: compressed, truncated, or not readable; a name in two shards; a label that is none.
    """

    opened = ("_files",)

    def __init__(self, paths: Sequence[Path], location: str) -> None:
        self.location = location
        self._paths = paths
        self._files: list[BinaryIO] = []
        self._members: list[Member] = []
        self._labels: dict[str, str] = {}
        self.passed_over: list[tuple[str, str]] = []
        for path in paths:
            self._add_shard(path)
        names = [member.name for member in self._members]
        if len(paths) > 1 and len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{location}: {readable(twice)} stands in two shards; names must differ")
        self.names = [readable(name) for name in without_common_folder(names)]
        self.kind = "webdataset" if self._labels else "tar"

    def _open(self) -> None:
        self._files = [path.open("rb") for path in self._paths]

    def _add_shard(self, path: Path) -> None:
        latest: dict[str, Member] = {}  # as tar does: a later member replaces an earlier
        labels: dict[str, Member] = {}
        shard = len(self._files)
        try:
            self._files.append(path.open("rb"))
            for member, why, linked in _members(path, shard):
                there = latest.get(linked) or labels.get(linked)
                if why is None or there:
                    known = latest if has_image_extension(member.name) else labels
                    known[member.name] = there._replace(name=member.name) if there else member
                else:
                    self.passed_over.append((readable(member.name), why))
        except tarfile.ReadError as error:
            raise DataError(
                f"{path}: not an intact uncompressed tar ({error}); decompress it, or copy it again"
            ) from error
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {reason(error)}") from error
        self._members += [latest[name] for name in sorted(latest)]
        keys = {posixpath.splitext(name)[0] for name in latest}
        for name, member in labels.items():
            key = posixpath.splitext(name)[0]
            label = self._label(path, member) if key in keys else None
            if label is not None:
                self._labels[key] = label
            elif key not in keys:
                self.passed_over.append((readable(name), "a label without an image"))

    def _label(self, path: Path, member: Member) -> str | None:
        """The label in a `.cls` or `.json` member; None where the JSON has none."""
        place = f"{path}: {readable(member.name)}"
        if member.size > _LONGEST_LABEL_FILE:
            raise DataError(f"{place}: {member.size:,} bytes are too many for a label")
        text = self._bytes(member)
        try:
            if member.name.endswith(".cls"):
                return str(int(text))
            content = json.loads(text)
        except ValueError as error:
            wanted = "a whole number" if member.name.endswith(".cls") else "JSON"
            raise DataError(f"{place}: not {wanted}: {text[:40]!r}") from error
        label = content.get("label") if isinstance(content, dict) else None
        if label is not None and (isinstance(label, bool) or not isinstance(label, int | str)):
            raise DataError(f"{place}: `label` is neither a whole number nor a name: {str(label)[:40]}")
        return None if label is None else readable(str(label))

    @property
    def labelled(self) -> bool:
        return bool(self._labels)

    @property
    def identities(self) -> Sequence[str]:
        if not self._labels:
            return super().identities
        return [self._labels.get(posixpath.splitext(member.name)[0], "") for member in self._members]

    def read(self, index: int) -> bytes:
        return self._bytes(self._members[index])

    def _bytes(self, member: Member) -> bytes:
        # pread keeps no position, so threads can share the file
        data = os.pread(self._files[member.shard].fileno(), member.size, member.offset)
        if len(data) != member.size:
            raise OSError(
                f"the tar ends inside this member, at byte {self._paths[member.shard].stat().st_size}"
            )
        return data

    def stamps(self) -> Iterable[tuple[str, int]]:
        changed = [os.fstat(file.fileno()).st_mtime_ns for file in self._files]
        for member in self._members:
            yield str(member.size), changed[member.shard]


def _members(path: Path, shard: int) -> Iterator[tuple[Member, str | None, str]]:
    """Images and label files of a tar; for what is passed over, the reason; and what a hard link stands for,
    which is an earlier member, or ''."""
    with tarfile.open(path, mode="r:") as archive:
        while (found := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # they would fill the memory
            name = plain(found.name)  # without a leading /, as tar does
            member = Member(name, shard, found.offset_data, found.size)
            if found.isdir():
                continue
            if ".." in name.split("/"):
                yield member, "a path with `..`, not read", ""
            elif is_hidden(name):
                yield member, "hidden file", ""
            elif not (has_image_extension(name) or posixpath.splitext(name)[1] in _LABEL_FILES):
                yield member, "no image's extension", ""
            elif found.islnk():
                yield member, _NOT_REGULAR[found.type], plain(found.linkname)
            elif not found.isreg() or found.issparse():
                yield member, _NOT_REGULAR.get(found.type, "sparse file, not read"), ""
            else:
                yield member, None, ""
