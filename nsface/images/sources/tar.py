"""Images in a tar file, or in several, read in place."""

from __future__ import annotations

import os
import posixpath
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from nsface.errors import DataError, listing, shown
from nsface.files import reason
from nsface.images.sources.base import (
    Source,
    identity_of,
    is_hidden,
    printable,
    why_passed_over,
    without_common_folder,
)
from nsface.images.sources.selection import FOLDER
from nsface.names import has_image_extension, plain, repeated
from nsface.untrusted import parse_json

_LABEL_FILES = {".cls", ".json"}
_LABEL = "label"
_LONGEST_LABEL_FILE = 1 << 20
_WHOLE_NUMBER = re.compile(rb"\s*-?[0-9]{1,18}\s*")
# what tarfile raises on damaged headers besides its own errors
DAMAGED = (
    tarfile.TarError,
    ValueError,
    OverflowError,
    RecursionError,
    KeyError,
    TypeError,
    IndexError,
    EOFError,
)
_NOT_REGULAR = {
    tarfile.LNKTYPE: "link, not followed",
    tarfile.SYMTYPE: "link, not followed",
    tarfile.CHRTYPE: "device, not read",
    tarfile.BLKTYPE: "device, not read",
    tarfile.FIFOTYPE: "named pipe, not read",
}


class Member(NamedTuple):
    """A file in a tar: the number of the tar, and its place there."""

    name: str
    shard: int
    offset: int
    size: int


class TarSource(Source):
    """Every image in uncompressed tars, in byte order of the names in each. Nothing is unpacked.

    Only regular members count, and hard links to them; symbolic links and devices are passed over, and so are
    names with `..`; no name is ever used as a path. In WebDataset's layout files of one key are one sample,
    and the key ends at the first dot of the base name: the label of `key.jpg` and `key.face.jpg` is the whole
    number in `key.cls`, or `label` in `key.json`. Without such files the folder is the identity.

    Args:
        paths: one tar, or the shards of one set in their order.
        location: what to call the set in messages.
        label: the key of the JSON that is the label, in place of `label`; FOLDER: the identity is
            the folder, even if there are labels beside the images.

    Raises:
        DataError: compressed, truncated, or not readable; a name in two shards; something that is no label;
            or JSON beside the images without a label in it.
    """

    per_process = ("_files",)

    def __init__(self, paths: Sequence[Path], location: str, label: str | None = None) -> None:
        self.location = location
        self._paths = paths
        self._label_key = label or _LABEL
        self._json_keys: dict[str, None] | None = None  # of JSON without a label, in the order of the files
        self._files: list[BinaryIO] = []
        self._members: list[Member] = []
        self._labels: dict[str, str] = {}
        self.passed_over: list[tuple[str, str]] = []
        for path in paths:
            self._add_shard(path)
        names = [member.name for member in self._members]
        if (twice := repeated(names)) is not None:
            raise DataError(f"{location}: {printable(twice)} is in two shards; names must differ")
        if self._json_keys is not None and not self._labels:
            raise DataError(
                f"{location}: there is JSON beside the images, without a {shown(self._label_key)!r}; its "
                f"keys are: {listing(list(self._json_keys)) or 'none'}. Select the label with "
                f"{location}#label=KEY, or {location}#label={FOLDER} where the folder is the identity"
            )
        self.names = [printable(name) for name in without_common_folder(names)]
        self.kind = "webdataset" if self._labels else "tar"

    def _open(self) -> None:
        self._files = [path.open("rb") for path in self._paths]

    def _add_shard(self, path: Path) -> None:
        latest: dict[str, Member] = {}  # a later member replaces an earlier one, as tar does
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
                    self.passed_over.append((printable(member.name), why))
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {reason(error)}") from error
        except DAMAGED as error:
            raise DataError(
                f"{path}: not an intact uncompressed tar ({shown(error)[:120]}); decompress it, or copy it "
                "again"
            ) from error
        self._members += [latest[name] for name in sorted(latest)]
        keys = {_key(name) for name in latest}
        if self._label_key != FOLDER:
            self._add_labels(path, keys, labels)

    def _add_labels(self, path: Path, keys: set[str], files: dict[str, Member]) -> None:
        """Read the labels in `files` of the samples `keys`; a `.cls` takes precedence over a `.json`."""
        found: dict[str, tuple[str, str]] = {}  # by key, the label and the extension of its file
        for name, member in files.items():
            key, extension = _key(name), _extension(name)
            if key not in keys:
                self.passed_over.append((printable(name), "a label without an image"))
                continue
            label = self._label(path, member)
            known, where = found.get(key, ("", ""))
            if label is None or (where and where < extension):
                continue
            if where == extension and known != label:
                raise DataError(
                    f"{path}: {printable(name)}: another label than that of {printable(key)} above; the key "
                    "of a sample ends at the first dot of its name"
                )
            found[key] = label, extension
        self._labels.update((key, label) for key, (label, _) in found.items())

    def _label(self, path: Path, member: Member) -> str | None:
        """The identity in a `.cls` or `.json` member, '' for none; None where the JSON has no label."""
        place = f"{path}: {printable(member.name)}"
        if member.size > _LONGEST_LABEL_FILE:
            raise DataError(f"{place}: {member.size:,} bytes are too many for a label")
        try:
            text = self._bytes(member)
        except OSError as error:
            raise DataError(f"{place}: {reason(error)}") from error
        if _extension(member.name) == ".cls":
            if not _WHOLE_NUMBER.fullmatch(text):
                raise DataError(f"{place}: not a whole number: {text[:40]!r}")
            return identity_of(int(text))
        content = parse_json(text, place)
        keys = content if isinstance(content, dict) else {}
        if self._label_key not in keys:
            self._json_keys = (self._json_keys or {}) | dict.fromkeys(keys)
            return None
        label = keys[self._label_key]
        if label is None:
            return ""
        if isinstance(label, bool) or not isinstance(label, int | str) or len(str(label)) > 1000:
            key = shown(self._label_key)
            raise DataError(f"{place}: `{key}` is neither a whole number nor a name: {shown(label)[:40]}")
        return identity_of(label)

    @property
    def labelled(self) -> bool:
        return bool(self._labels)

    @property
    def identities(self) -> Sequence[str]:
        if not self._labels:
            return super().identities
        return [self._labels.get(_key(member.name), "") for member in self._members]

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


def _key(name: str) -> str:
    """The key of the sample that a file belongs to: its path up to the first dot of the base name."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]


def _extension(name: str) -> str:
    return posixpath.splitext(name)[1].lower()


def _members(path: Path, shard: int) -> Iterator[tuple[Member, str | None, str]]:
    """Yield each member of a tar, why it is passed over if it is, and the earlier member that it links to.

    The last is '' for members that are no hard link.
    """
    with tarfile.open(path, mode="r:") as archive:
        end = 0
        while (found := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # they would fill the memory
            if found.size < 0 or found.offset_data < end:  # or reading it might never end
                raise tarfile.ReadError("a member of negative size")
            end = found.offset_data
            name = plain(found.name)  # without a leading /, as tar does
            member = Member(name, shard, found.offset_data, found.size)
            if found.isdir():
                continue
            if ".." in name.split("/"):
                yield member, "a path with `..`, not read", ""
            elif is_hidden(name):
                yield member, "hidden file", ""
            elif _extension(name) not in _LABEL_FILES and (why := why_passed_over(name)):
                yield member, why, ""
            elif found.islnk():
                yield member, _NOT_REGULAR[found.type], plain(found.linkname)
            elif not found.isreg() or found.issparse():
                yield member, _NOT_REGULAR.get(found.type, "sparse file, not read"), ""
            else:
                yield member, None, ""
