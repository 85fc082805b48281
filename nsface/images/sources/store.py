"""The packed store: a folder with all images of a set, ready for training.

    header.json       what the set is, and SHA-256 of all that follows
    pixels.npy        uint8, N × height × width × 3, RGB (`np.load(…, mmap_mode="r")` maps it)
    or images.bin     the N encoded images one after the other, with
       offsets.npy    int64, N + 1: image i lies in bytes offsets[i] to offsets[i + 1]
    names.txt         N lines in UTF-8: paths relative to the image root
    labels.npy        int64, N: the number of each image's identity; −1: none
    identities.txt    C lines in UTF-8: identity 0, 1, …

`header.json` has `format` ("nsface store"), `version` (1), `images` N, `identities` C, `height` and `width`
(null with images.bin), `labelled` (whether identities are labels, not folders), `source` (`location`, `kind`,
`fingerprint`), `nsface` (the version that wrote it), `files` (`bytes` and `sha256` of each small file) and
`data`: `file`, `bytes` (without the 128 of the .npy header) and `blocks`, runs of images that follow each
other (`images`, `bytes`, `sha256`). Thus a damaged store can say which images are damaged.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nsface.errors import DataError
from nsface.files import reason
from nsface.images.sources.base import Source

HEADER, NAMES, LABELS, IDENTITIES = "header.json", "names.txt", "labels.npy", "identities.txt"
PIXELS, IMAGES, OFFSETS = "pixels.npy", "images.bin", "offsets.npy"
PIXELS_START = 128  # bytes of the .npy header


class Part(BaseModel):
    """Bytes of a file, and what they must be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int = Field(ge=0)
    sha256: str


class Block(Part):
    """A run of images in the data file."""

    images: int = Field(ge=1)


class Data(BaseModel):
    """The file with the images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Literal["pixels.npy", "images.bin"]
    bytes: int
    blocks: list[Block]


class Origin(BaseModel):
    """What the store was packed from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    location: str
    kind: str
    fingerprint: str


class Header(BaseModel):
    """`header.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["nsface store"] = "nsface store"
    version: Literal[1] = 1
    images: int
    identities: int
    height: int | None
    width: int | None
    labelled: bool
    source: Origin
    nsface: str
    files: dict[str, Part]
    data: Data


def is_store(folder: Path) -> bool:
    return (folder / HEADER).is_file() and (folder / NAMES).is_file()


class StoreSource(Source):
    """The images of a packed store, in the order of what it was packed from.

    Attributes:
        header: what `header.json` says.

    Raises:
        DataError: a file is missing or has another size than the header says, or the header cannot be read.
    """

    kind = "store"
    samples = 0
    opened = ("_file", "array")

    def __init__(self, folder: Path) -> None:
        self.location = str(folder)
        self._folder = folder
        self.header = _read_header(folder / HEADER)
        start = PIXELS_START if self.header.data.file == PIXELS else 0
        self._check_size(self.header.data.file, start + self.header.data.bytes)
        for name, part in self.header.files.items():
            self._check_size(name, part.bytes)
        try:
            self.names = _lines(folder / NAMES)
            self._identity_names = [*_lines(folder / IDENTITIES), ""]  # label −1: no identity
            self._labels = np.load(folder / LABELS, allow_pickle=False)
            self._open()
            if self.header.data.file == IMAGES:
                self._offsets = np.load(folder / OFFSETS, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{folder}: damaged store ({error}); pack it again") from error
        labels = range(-1, len(self._identity_names) - 1)
        if not len(self.names) == len(self._labels) == self.header.images or not (
            labels.start <= self._labels.min() and self._labels.max() < labels.stop
        ):
            raise DataError(f"{folder}: names and labels do not fit each other; pack it again")

    def _open(self) -> None:
        self._file = (self._folder / self.header.data.file).open("rb")

    def _check_size(self, name: str, wanted: int) -> None:
        try:
            size = (self._folder / name).stat().st_size
        except OSError as error:
            raise DataError(
                f"{self._folder / name}: {reason(error)}; pack or copy the store again"
            ) from error
        if size != wanted:
            raise DataError(
                f"{self._folder / name}: {size} bytes instead of {wanted}; pack or copy the store again"
            )

    @property
    def labelled(self) -> bool:
        return self.header.labelled

    @property
    def identities(self) -> list[str]:
        return [self._identity_names[label] for label in self._labels.tolist()]

    @cached_property
    def array(self) -> npt.NDArray[np.uint8] | None:
        """All pixels, mapped from the file: uint8, N × height × width × 3; None in a store of encoded images.

        Writing to the array never changes the file.
        """
        if self.header.data.file != PIXELS:
            return None
        shape = (self.header.images, self.header.height, self.header.width, 3)
        # copy-on-write: nothing can change the file, and torch takes the array without a warning
        return np.memmap(self._file, np.uint8, "c", PIXELS_START, shape)  # type: ignore[call-overload, no-any-return]

    def read(self, index: int) -> bytes:
        """The encoded image as it was packed; in a store of pixels, a PNG file of them."""
        if self.array is not None:
            _, png = cv2.imencode(".png", self.array[index][..., ::-1])
            return bytes(png)
        start, stop = int(self._offsets[index]), int(self._offsets[index + 1])
        data = os.pread(self._file.fileno(), stop - start, start)
        if len(data) != stop - start:
            raise OSError(f"the store ends before byte {stop}")
        return data

    def pixels(self, index: int) -> npt.NDArray[np.uint8]:
        return super().pixels(index) if self.array is None else self.array[index]

    def stamps(self) -> Iterable[tuple[str, int]]:
        for block in self.header.data.blocks:
            for position in range(block.images):
                yield f"{block.sha256} {position}", 0

    def verify(self, progress: Callable[[int], Any] | None = None) -> list[tuple[str, str]]:
        """Compare every byte with its checksum.

        Returns:
            (what is damaged, why): files by name, images by the names of the first and last of their block.
        """
        damaged = [
            (name, "does not fit its checksum")
            for name, part in self.header.files.items()
            if hashlib.sha256((self._folder / name).read_bytes()).hexdigest() != part.sha256
        ]
        offset = PIXELS_START if self.header.data.file == PIXELS else 0
        first = 0
        for block in self.header.data.blocks:
            data = os.pread(self._file.fileno(), block.bytes, offset)
            if hashlib.sha256(data).hexdigest() != block.sha256:
                names = f"{self.names[first]} … {self.names[first + block.images - 1]}"
                damaged.append((names, f"{block.images} images do not fit their checksum"))
            offset, first = offset + block.bytes, first + block.images
            if progress:
                progress(block.images)
        return damaged


def _read_header(path: Path) -> Header:
    try:
        header = Header.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"{path}: not the header of a store ({place}: {first['msg']}); pack it again"
        ) from error
    blocks = header.data.blocks
    images, size = sum(block.images for block in blocks), sum(block.bytes for block in blocks)
    if (images, size) != (header.images, header.data.bytes):
        raise DataError(f"{path}: its blocks hold {images} images in {size} bytes; pack it again")
    small = {NAMES, LABELS, IDENTITIES} | ({OFFSETS} if header.data.file == IMAGES else set())
    if header.files.keys() != small:
        raise DataError(f"{path}: lists the files {', '.join(header.files)}; pack it again")
    if header.data.file == PIXELS and size != header.images * (header.height or 0) * (header.width or 0) * 3:
        raise DataError(f"{path}: height, width and number of images do not fit; pack it again")
    return header


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]
