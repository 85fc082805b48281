"""Images named in a list, in a file or on standard input: a path in each line, with or without a label."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from nsface.errors import DataError
from nsface.files import reason
from nsface.images.sources.base import identity_of, printable, without_common_folder
from nsface.images.sources.files import FilesSource
from nsface.names import IMAGE_EXTENSIONS, has_image_extension, plain
from nsface.text import arriving_lines, decode

HEAD = 1 << 16
STANDARD_INPUT = "standard input"
_NOT_UTF8 = re.compile("[\ud800-\udfff]")
_A_PATH = re.compile("|".join(re.escape(extension) for extension in IMAGE_EXTENSIONS), re.IGNORECASE)


class ListSource(FilesSource):
    """The images that `lines` name, in that order.

    A line is `path`, `path<TAB>label` or `path label`; a label is one word, the identity. Either all lines
    have one or none has. Blank lines, lines that start with `#` and repeated lines are ignored.

    Args:
        lines: paths, absolute or relative to `root`. Bytes that are no UTF-8 are Python's surrogates.
        root: the folder of the list file; the working folder for standard input.
        location: the name of the list in messages.

    Raises:
        DataError: a line names no image file, or one that does not exist; some lines have labels and others
            none; or a path has two labels. List and line are named.
    """

    kind = "list"

    def __init__(self, lines: Iterable[str], root: Path, location: str) -> None:
        super().__init__(location, [], root, [])
        self._label_of: dict[str, str | None] = {}
        for _ in self._added(lines):
            pass
        self._settle()

    def _added(self, lines: Iterable[str], exact: bool = False) -> Iterator[str]:
        """Take up the paths that `lines` name, and yield each that is new.

        Args:
            exact: lines are paths and nothing else: no labels, no comments, and blanks belong to the path.
        """
        for number, line in enumerate(lines, start=1):
            entry = line if exact else line.strip()
            if not entry or (entry.startswith("#") and not exact):
                continue
            path, label = (entry, None) if exact else _parsed(entry)
            # so that each image has one spelling
            path = f"/{plain(path)}" if path.startswith("/") else plain(path)
            known = len(self._label_of)
            self._check(path, self._label_of.setdefault(path, label), label, f"{self.location}:{number}")
            if len(self._label_of) > known:
                yield path

    def _check(self, path: str, known: str | None, label: str | None, place: str) -> None:
        """Raise a DataError about a path that is no image's, or whose label does not fit those above."""
        if not has_image_extension(path):
            raise DataError(
                f"{place}: not the path of an image: {printable(path[:120])}; a line is PATH, "
                "PATH<TAB>LABEL or `PATH LABEL`, and PATH ends as images do (.jpg, .png, …)"
            )
        if known != label:
            raise DataError(f"{place}: {printable(path)[:300]} has another label in a line above")
        if (label is None) != (next(iter(self._label_of.values())) is None):
            raise DataError(f"{place}: only some lines have a label; give one to all lines, or to none")
        if not os.path.isfile(os.path.join(self._root, path)):
            raise DataError(f"{place}: no such image: {printable(str(self._root / path))[:300]}")

    def _settle(self) -> None:
        """Name all images, when all paths are known."""
        self._paths = list(self._label_of)
        self.names = [printable(name) for name in without_common_folder(self._paths)]
        self._labels = [identity_of(label) for label in self._label_of.values() if label is not None]

    @property
    def labelled(self) -> bool:
        return bool(self._labels)

    @property
    def identities(self) -> list[str]:
        return self._labels if self._labels else list(super().identities)

    @classmethod
    def from_file(cls, path: Path) -> ListSource:
        """Read the list `path`; its relative paths start at its own folder.

        Raises:
            DataError: it cannot be read, or is no list of paths.
        """
        try:
            with path.open("rb") as file:
                data = file.read(HEAD)
                text = b"\0" not in data
                data += file.read() if text else b""
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {reason(error)}") from error
        lines = decode(data, f"{path}:1", surrogates=True)
        if not text or (_NOT_UTF8.search(lines) and not _A_PATH.search(lines)):
            raise DataError(
                f"{path}: neither a tar nor a list of image paths, nor anything else that holds images "
                "(MXNet .rec, InsightFace .bin, Parquet; a folder of images, a packed store, LMDB)"
            )
        return cls(lines.split("\n"), path.parent, str(path))

    @classmethod
    def from_standard_input(cls) -> ListSource:
        """Read paths from standard input; relative ones start at the working folder.

        Raises:
            DataError: standard input is closed.
        """
        if sys.stdin is None:  # closed
            raise DataError("standard input is closed; give paths on it, or another source than -")
        return cls(map(os.fsdecode, sys.stdin.buffer), Path(), STANDARD_INPUT)


class ArrivingList(ListSource):
    """Images whose paths arrive in a pipe, one by one, while others are worked on.

    Lines are those of `ListSource`. Until all have arrived, `names` are the paths as they were given; then
    they are what `ListSource` would have made of all lines.

    Args:
        handle: the number of the open file; relative paths start at the working folder.
        nul: paths end with NUL, as `find -print0` writes them, and are taken as they are: without labels,
            with all blanks and line breaks.

    Raises:
        DataError: as for `ListSource`, while the paths arrive.
    """

    def __init__(self, handle: int = 0, *, nul: bool = False, location: str = STANDARD_INPUT) -> None:
        super().__init__((), Path(), location)
        self._handle, self._nul = handle, nul
        self._closed = threading.Event()

    def arriving(self) -> Iterator[int]:
        paths: list[str] = []
        names: list[str] = []
        self._paths, self.names = paths, names
        lines = arriving_lines(self._handle, self._nul, self.location, self._closed.is_set)
        for index, path in enumerate(self._added(map(os.fsdecode, lines), self._nul)):
            paths.append(path)
            names.append(printable(path))
            yield index
        self._settle()

    def close(self) -> None:
        self._closed.set()


def _parsed(entry: str) -> tuple[str, str | None]:
    """Path and label of a line that is not blank."""
    if "\t" in entry:
        path, label = entry.rsplit("\t", 1)
        return path.rstrip(), label.lstrip()
    if has_image_extension(entry):  # so that a path may hold spaces
        return entry, None
    path, _, label = entry.rpartition(" ")
    return (path.rstrip(), label) if has_image_extension(path.rstrip()) else (entry, None)
