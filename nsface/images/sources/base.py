"""What every source of images offers."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from nsface.names import has_image_extension


class Source(ABC):
    """N encoded images in a fixed order.

    Attributes:
        location: what to call the source in messages.
        names: N paths relative to the image root, with `/` and extension, in byte order unless the user gave
            an order. A leading folder common to all images is dropped while a folder remains below it.
    """

    location: str
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def identities(self) -> list[str]:
        """Identity of each image: the folder it lies in ('' where it lies in none)."""
        return [str(parent) if (parent := PurePosixPath(name).parent).name else "" for name in self.names]

    @abstractmethod
    def read(self, index: int) -> bytes:
        """The encoded image `index`. Safe to call from several threads.

        Raises:
            OSError: the file cannot be read.
        """

    @abstractmethod
    def stamps(self) -> Iterable[str]:
        """Something for each image that changes when its content does (size and time of change)."""

    def fingerprint(self) -> str:
        """SHA-256 over names and stamps: equal only while the content is the same."""
        digest = hashlib.sha256()
        for name, stamp in zip(self.names, self.stamps(), strict=True):
            digest.update(f"{name}\0{stamp}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def is_image_name(name: str) -> bool:
    """Whether `name` has an image's extension and no hidden part (`._x.jpg`, `.git/`, `__MACOSX/`)."""
    path = PurePosixPath(name)
    hidden = any(
        (part.startswith(".") and part not in {".", ".."}) or part == "__MACOSX" for part in path.parts
    )
    return has_image_extension(name) and not hidden


def without_common_folder(names: Sequence[str]) -> list[str]:
    """Drop leading folders common to all `names`, while every name keeps a folder (its identity)."""
    parts = [PurePosixPath(name).parts for name in names]
    drop = 0
    while parts and all(len(p) > drop + 2 and p[drop] == parts[0][drop] for p in parts):
        drop += 1
    return ["/".join(p[drop:]) for p in parts]
