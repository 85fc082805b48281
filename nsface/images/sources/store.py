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
other (`images`, `bytes`, `sha256`). So it can be found which images of a damaged store are damaged.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nsface.errors import DataError, listing, shown
from nsface.files import reason
from nsface.images.pixel_file import PixelFile
from nsface.images.sources.base import Source, identity_of, printable
from nsface.row_file import NPY_START
from nsface.untrusted import first_fault, read_array_header

HEADER, NAMES, LABELS, IDENTITIES = "header.json", "names.txt", "labels.npy", "identities.txt"
PIXELS, IMAGES, OFFSETS = "pixels.npy", "images.bin", "offsets.npy"
_LONGEST_SIDE = 1 << 16
_PIECE = 1 << 24  # bytes


class Checksum(BaseModel):
    """Number and SHA-256 of the bytes of a file, or of a part of one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int = Field(ge=0)
    sha256: str


class Block(Checksum):
    """A run of images in the data file."""

    images: int = Field(ge=1)


class Data(BaseModel):
    """The file with the images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Literal["pixels.npy", "images.bin"]
    bytes: int = Field(ge=0)
    blocks: list[Block]


class Origin(BaseModel):
    """The source that the store was packed from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    location: str
    kind: str
    fingerprint: str


class Header(BaseModel):
    """The content of `header.json` (see the module)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["nsface store"] = "nsface store"
    version: Literal[1] = 1
    images: int = Field(ge=0)
    identities: int = Field(ge=0)
    height: int | None = Field(ge=1, le=_LONGEST_SIDE)
    width: int | None = Field(ge=1, le=_LONGEST_SIDE)
    labelled: bool
    source: Origin
    nsface: str
    files: dict[str, Checksum]
    data: Data


def is_store(folder: Path) -> bool:
    """Whether `folder` has the small files of a packed store."""
    return (folder / HEADER).is_file() and (folder / NAMES).is_file()


class StoreSource(Source):
    """The images of a packed store, in the order of what it was packed from.

    Attributes:
        header: the content of `header.json`.
        pixel_file: all pixels, N × height × width × 3; None in a store of encoded images.

    Raises:
        DataError: a file is missing or has another size than the header says, the header cannot be read, or
            it does not agree with the other files.
    """

    kind = "store"
    fingerprint_samples = 0
    per_process = ("_file",)

    def __init__(self, folder: Path) -> None:
        self.location = str(folder)
        self._folder = folder
        self.header = _read_header(folder / HEADER)
        start = NPY_START if self.header.data.file == PIXELS else 0
        self._check_size(self.header.data.file, start + self.header.data.bytes)
        for name, part in self.header.files.items():
            self._check_size(name, part.bytes)
        try:
            self.names = [printable(name) for name in _lines(folder / NAMES)]
            names = _lines(folder / IDENTITIES)
            self._labels = _integers(folder / LABELS, self.header.images)
            if self.header.data.file == IMAGES:
                self._offsets = _integers(folder / OFFSETS, self.header.images + 1)
                self._check_offsets()
            self.pixel_file = self._pixel_file()
            self._open()
        except (OSError, ValueError) as error:
            raise DataError(f"{folder}: damaged store ({shown(error)}); pack it again") from error
        if len(names) != self.header.identities or len(self.names) != self.header.images:
            raise DataError(
                f"{folder}: {len(self.names)} names of {len(names)} identities, where {HEADER} has "
                f"{self.header.images} of {self.header.identities}; pack it again"
            )
        if not (self._labels >= -1).all() or not (self._labels < len(names)).all():
            raise DataError(f"{folder}: names and labels do not agree; pack it again")
        given = [identity_of(name) if self.header.labelled else printable(name) for name in names]
        self._identity_names = [*given, ""]  # label −1: no identity

    def _open(self) -> None:
        self._file = (self._folder / self.header.data.file).open("rb")

    def _pixel_file(self) -> PixelFile | None:
        if self.header.data.file != PIXELS or self.header.height is None or self.header.width is None:
            return None
        shape = (self.header.images, self.header.height, self.header.width, 3)
        return PixelFile(self._folder / PIXELS, shape, NPY_START)

    def _check_offsets(self) -> None:
        ends = self._offsets[0], self._offsets[-1]
        if ends != (0, self.header.data.bytes) or (np.diff(self._offsets) < 0).any():
            raise DataError(
                f"{self._folder / OFFSETS}: the offsets are not those of the images; pack it again"
            )

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

    def read(self, index: int) -> bytes:
        """The encoded image as it was packed; in a store of pixels, a PNG file of them."""
        if self.pixel_file is not None:
            _, png = cv2.imencode(".png", self.pixels(index)[..., ::-1])
            return bytes(png)
        start, stop = int(self._offsets[index]), int(self._offsets[index + 1])
        data = os.pread(self._file.fileno(), stop - start, start)
        if len(data) != stop - start:
            raise OSError(f"the store ends before byte {stop}")
        return data

    def pixels(self, index: int) -> npt.NDArray[np.uint8]:
        return super().pixels(index) if self.pixel_file is None else self.pixel_file.gather([index])[0]

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
            (name, "does not match its checksum")
            for name, part in self.header.files.items()
            if hashlib.sha256((self._folder / name).read_bytes()).hexdigest() != part.sha256
        ]
        offset = NPY_START if self.header.data.file == PIXELS else 0
        first = 0
        for block in self.header.data.blocks:
            if self._digest(offset, block.bytes) != block.sha256:
                names = f"{self.names[first]} … {self.names[first + block.images - 1]}"
                damaged.append((names, f"{block.images} images do not match their checksum"))
            offset, first = offset + block.bytes, first + block.images
            if progress:
                progress(block.images)
        return damaged

    def _digest(self, offset: int, size: int) -> str:
        """SHA-256 of bytes of the data file."""
        digest = hashlib.sha256()
        for start in range(offset, offset + size, _PIECE):
            digest.update(os.pread(self._file.fileno(), min(_PIECE, offset + size - start), start))
        return digest.hexdigest()


def _read_header(path: Path) -> Header:
    try:
        header = Header.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
    except ValidationError as error:
        place, problem = first_fault(error)
        raise DataError(f"{path}: not the header of a store ({place}: {problem}); pack it again") from error
    blocks = header.data.blocks
    images, size = sum(block.images for block in blocks), sum(block.bytes for block in blocks)
    if (images, size) != (header.images, header.data.bytes):
        raise DataError(f"{path}: its blocks hold {images} images in {size} bytes; pack it again")
    small = {NAMES, LABELS, IDENTITIES} | ({OFFSETS} if header.data.file == IMAGES else set())
    if header.files.keys() != small:
        raise DataError(f"{path}: lists the files {listing(list(header.files))}; pack it again")
    if header.data.file == PIXELS and size != header.images * (header.height or 0) * (header.width or 0) * 3:
        raise DataError(f"{path}: height, width and number of images do not agree; pack it again")
    return header


def _integers(path: Path, count: int) -> npt.NDArray[np.int64]:
    """The `count` whole numbers in an .npy file.

    Raises:
        DataError: something else is in it.
    """
    with path.open("rb") as file:
        header = read_array_header(file, os.fstat(file.fileno()).st_size, str(path))
        if header.shape != (count,) or header.dtype != np.int64:
            raise DataError(f"{path}: {header.dtype} {header.shape} in place of {count} int64; pack it again")
        return np.frombuffer(file.read(8 * count), np.int64)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]
