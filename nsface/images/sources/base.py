"""The interface of every source of images, and what all kinds of sources need."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError, listing, shown
from nsface.images.decode import decode
from nsface.names import has_foreign_extension, has_image_extension, plain

_NOT_READ = ("not followed", "not read")  # the ends of the reasons that a user may not expect
_NEGATIVE = re.compile(r"\s*-\s*0*[1-9][0-9]*(\.0*)?\s*", re.ASCII)
# control characters, line ends of all kinds, and the surrogates for bytes that are not UTF-8
_NOT_PRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Source(ABC):
    """N encoded images in a fixed order.

    Attributes:
        kind: the kind of source: `folder`, `tar`, `rec`, …
        location: the name of the source in messages.
        names: N paths relative to the image root, with `/` and extension, in byte order unless the user gave
            an order. A leading folder common to all images is dropped while a folder remains below it.
        passed_over: files that are there and are not read, as (name, reason).
        remarks: statements of the source about itself that its content contradicts, a line each.
        fingerprint_samples: number of images whose bytes are read for a fingerprint.
        per_process: attributes that are not sent to other processes, which make them anew by `_open`.
    """

    kind: str
    location: str
    names: Sequence[str]
    fingerprint_samples: ClassVar[int] = 256
    per_process: ClassVar[tuple[str, ...]] = ()
    passed_over: Sequence[tuple[str, str]] = ()
    remarks: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def identities(self) -> Sequence[str]:
        """Identity of each image, '' where it has none: its label, or the folder it lies in."""
        return [name.rpartition("/")[0] for name in self.names]

    @property
    def labelled(self) -> bool:
        """Whether identities are labels that stand beside the images, not names of their folders."""
        return False

    @property
    def without_label(self) -> int:
        """How many images have no label, or a negative one, where labels stand beside the images."""
        return sum(not identity for identity in self.identities) if self.labelled else 0

    @property
    def unread_note(self) -> str | None:
        """A line about files that may be images but are not read, and about images without identity, if any.

        Such files are links, devices, paths with `..` and formats that are not read; images without identity
        have a negative label, or none.
        """
        found = [f"{name} ({why})" for name, why in self.passed_over if why.endswith(_NOT_READ)]
        parts = [f"{len(found):,} passed over: {listing(found, 3)}"] if found else []
        if unlabelled := self.without_label:
            parts.append(
                f"{unlabelled:,} of {len(self):,} images have no label or a negative one: they have no "
                "identity, and training leaves them out"
            )
        return f"{shown(self.location)}: {'; '.join(parts)}" if parts else None

    def arriving(self) -> Iterator[int]:
        """The numbers of the images in order, each as soon as it is known that there is this image."""
        return iter(range(len(self)))

    def close(self) -> None:  # noqa: B027  # most wait for nothing
        """End what waits for further images, in whatever thread."""

    @abstractmethod
    def read(self, index: int) -> bytes:
        """The encoded image `index`. Safe to call from several threads.

        Raises:
            OSError: the file cannot be read.
        """

    def pixels(self, index: int) -> npt.NDArray[np.uint8]:
        """Image `index` as RGB, uint8, height × width × 3. Safe to call from several threads.

        Raises:
            DataError: not a whole image; the message starts with its name.
            OSError: the file cannot be read.
        """
        return decode(self.read(index), self.names[index])

    @abstractmethod
    def stamps(self) -> Iterable[tuple[str, int]]:
        """For each image, what identifies its content without reading it, and when that was last changed.

        The first is the size of the image, or a checksum. The second is the time of change of the file that
        it lies in, in nanoseconds, or 0 where the first is enough.
        """

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in self.per_process}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()

    def _open(self) -> None:  # noqa: B027  # most have nothing to open
        """Make the attributes named in `per_process`, in a process that was sent the others."""

    def fingerprint(self) -> str:
        """SHA-256 over names, labels, stamps without times, and the bytes of some images.

        It identifies the data: a copy has the same fingerprint. In a set of more than `fingerprint_samples`
        images, a change of one image that keeps its size may go unnoticed, but not by `dated_fingerprint`.
        """
        digest = hashlib.sha256()
        for name, identity, (stamp, _) in zip(self.names, self.identities, self.stamps(), strict=True):
            digest.update(f"{name}\0{identity}\0{stamp}\n".encode())
        count = min(self.fingerprint_samples, len(self))
        for index in np.linspace(0, len(self) - 1, count).astype(int).tolist():
            try:
                digest.update(hashlib.sha256(self.read(index)).digest())
            except (OSError, DataError) as error:
                digest.update(type(error).__name__.encode())
        return digest.hexdigest()

    def dated_fingerprint(self) -> str:
        """SHA-256 over names, stamps and times of change: it stays equal only until a file is written."""
        digest = hashlib.sha256()
        for name, (stamp, changed) in zip(self.names, self.stamps(), strict=True):
            digest.update(f"{name}\0{stamp} {changed}\n".encode())
        return digest.hexdigest()


def numbered(identities: Iterable[str]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Number identities from 0.

    Returns:
        the label in [0, C) of each entry, int64, and the names of the C identities by label: in the order of
        their numbers where all are whole numbers (`2` before `10`), in byte order otherwise.
    """
    listed = list(identities)
    names = sorted(set(listed))
    if all(name.isascii() and name.isdigit() for name in names):
        names.sort(key=_by_number)
    number = {name: label for label, name in enumerate(names)}
    return np.fromiter((number[name] for name in listed), np.int64, len(listed)), names


def _by_number(digits: str) -> tuple[int, str]:
    """A key that sorts texts of digits by their numbers, where `int` would refuse thousands of digits."""
    significant = digits.lstrip("0")
    return len(significant), significant


def identity_of(label: object) -> str:
    """The identity that a label beside an image means; '' where it means none.

    One rule holds for all sources: a missing label, an empty text and a negative number mean no identity.
    Lists and packed sets use −1 for unknown people and for images that were sorted out.
    """
    text = "" if label is None else str(label).strip()
    return "" if _NEGATIVE.fullmatch(text) else printable(text)


def why_passed_over(name: str) -> str | None:
    """Why a file called `name` is not read as an image; None for an image."""
    if is_hidden(name):
        return "hidden file"
    if has_image_extension(name):
        return None
    return "a format that is not read" if has_foreign_extension(name) else "no image's extension"


def printable(name: str) -> str:
    """`name` as a text that can be printed and written; bytes that are not UTF-8 become such as `\\xff`."""
    return _NOT_PRINTABLE.sub(_escaped, name)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    # U+DC80 to U+DCFF are the bytes that Python could not decode in a path
    return f"\\u{code:04x}" if code > 0xFF and not 0xDC80 <= code <= 0xDCFF else f"\\x{code & 0xFF:02x}"


def is_hidden(name: str) -> bool:
    """Whether a part of `name` is hidden (`._x.jpg`, `.git/`, `__MACOSX/`)."""
    return any(
        (part.startswith(".") and part not in {".", ".."}) or part == "__MACOSX" for part in name.split("/")
    )


def without_common_folder(names: Sequence[str]) -> list[str]:
    """Drop leading folders common to all `names`, while every name keeps a folder (its identity)."""
    names = [plain(name) for name in names]
    # the least and the greatest have in common what all have in common
    first, last = min(names, default="").split("/"), max(names, default="").split("/")
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    drop = max(0, min(common, min((name.count("/") for name in names), default=0) - 1))
    return [name.split("/", drop)[drop] for name in names] if drop else names
