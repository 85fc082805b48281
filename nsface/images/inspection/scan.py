"""The scan of an image set: every image is decoded once, and its properties are kept for the inspection.

These are its size, a digest of its pixels, a perceptual hash, judgements of its colours, and its share in the
mean face. All cores decode.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.files import reason
from nsface.images import decoding_memory
from nsface.images.inspection.near_duplicates import SIDE, perceptual_hashes
from nsface.images.parallel import in_order
from nsface.images.pixels import Progress
from nsface.images.sources import Source
from nsface.images.store.packing import common_size

CHUNK = 128  # images
GREY = 6  # of 255: the largest difference between the channels in a grey image that is saved in colour
SWAPPED = 5  # of 255: the middle of a face is redder than blue; if it is bluer by more, channels are swapped
BLANK = 2  # of 255: the standard deviation below which an image shows nothing
_DIGEST = 16  # bytes
_LONGEST = 512  # pixels, of the mean face
_MIDDLE = slice(SIDE // 4, SIDE - SIDE // 4)


@dataclass
class Scan:
    """The properties of N images, in the order of the source.

    Attributes:
        sizes: height and width, int64, N × 2.
        digests: of the pixels, uint8, N × 16; equal images have equal digests.
        hashes: perceptual hashes, uint8, N × 32.
        grey: bool, N: the image has no colour.
        swapped: bool, N: the middle of the image is bluer than red, as if the channels were swapped.
        blank: bool, N: the image is nearly all of one colour.
        face_sum: the sum of all images, each resized to the most common size, reduced to 512 pixels
            (float64, H × W × 3, RGB).
        faces: number of images in `face_sum`.
        pattern: the sum of all images as unit vectors of 32 × 32 grey values without their mean.
        unreadable: reasons by index; the arrays hold nothing about these images.
    """

    sizes: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint8]
    hashes: npt.NDArray[np.uint8]
    grey: npt.NDArray[np.bool_]
    swapped: npt.NDArray[np.bool_]
    blank: npt.NDArray[np.bool_]
    face_sum: npt.NDArray[np.float64]
    faces: int
    pattern: npt.NDArray[np.float64]
    unreadable: dict[int, str] = field(default_factory=dict)

    @property
    def readable(self) -> npt.NDArray[np.int64]:
        """Indices of the images that could be decoded."""
        return np.setdiff1d(np.arange(len(self.sizes)), list(self.unreadable))

    @property
    def mean_face(self) -> npt.NDArray[np.uint8]:
        """The mean of all images, uint8, H × W × 3, RGB."""
        return np.round(self.face_sum / max(1, self.faces)).astype(np.uint8)

    @property
    def alignment(self) -> float:
        """How similar the images are to each other: the length of the mean of their unit vectors, in [0, 1].

        Its square is the mean correlation of two images. LFW and other faces aligned by five points have
        0.43 to 0.46; moved by up to 15 % and scaled by up to 20 % they have 0.27 to 0.32.
        """
        return float(np.linalg.norm(self.pattern) / max(1, self.faces))


def scan(source: Source, workers: int | None = None, progress: Progress | None = None) -> Scan:
    """Decode every image of `source` and record its properties.

    Args:
        workers: number of threads; by default one for each core.
        progress: called with the number of images done since the last call.

    Raises:
        DataError: not a single image of a sample can be decoded.
    """
    height, width = _reduced(common_size(source))
    starts = range(0, len(source), CHUNK)
    total = _empty(len(source), height, width)
    chunks = in_order(lambda first: _scan_chunk(source, first, height, width), starts, workers)
    for start, part in zip(starts, chunks, strict=True):
        rows = slice(start, start + len(part.sizes))
        for name in ("sizes", "digests", "hashes", "grey", "swapped", "blank"):
            getattr(total, name)[rows] = getattr(part, name)
        total.unreadable.update({start + index: why for index, why in part.unreadable.items()})
        total.face_sum += part.face_sum
        total.faces += part.faces
        total.pattern += part.pattern
        if progress:
            progress(len(part.sizes))
    return total


def _reduced(size: tuple[int, int]) -> tuple[int, int]:
    """`size`, or one of its shape whose longer side is _LONGEST: the mean of large pictures needs no more."""
    scale = min(1.0, _LONGEST / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _empty(count: int, height: int, width: int) -> Scan:
    return Scan(
        sizes=np.zeros((count, 2), np.int64),
        digests=np.zeros((count, _DIGEST), np.uint8),
        hashes=np.zeros((count, SIDE), np.uint8),
        grey=np.zeros(count, bool),
        swapped=np.zeros(count, bool),
        blank=np.zeros(count, bool),
        face_sum=np.zeros((height, width, 3)),
        faces=0,
        pattern=np.zeros(SIDE * SIDE),
    )


def _scan_chunk(source: Source, first: int, height: int, width: int) -> Scan:
    """The properties of the CHUNK images from `first` on."""
    count = min(CHUNK, len(source) - first)
    chunk = _empty(count, height, width)
    small = np.zeros((count, SIDE, SIDE, 3), np.uint8)
    for row in range(count):
        name = source.names[first + row]
        try:
            with decoding_memory.limited():
                _add_image(chunk, row, source.pixels(first + row), small[row])
        except DataError as error:
            chunk.unreadable[row] = str(error).removeprefix(f"{name}: ")
        except OSError as error:
            chunk.unreadable[row] = reason(error)
    _judge_colours(chunk, small)
    grey = small.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    chunk.hashes[:] = perceptual_hashes(grey)
    vectors = grey.reshape(count, -1).astype(np.float64)
    vectors -= vectors.mean(axis=1, keepdims=True)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    chunk.pattern += np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0).sum(axis=0)
    return chunk


def _add_image(chunk: Scan, row: int, pixels: npt.NDArray[np.uint8], small: npt.NDArray[np.uint8]) -> None:
    """Record the properties of image `row` but its colours, and reduce it into `small`, 32 × 32 × 3."""
    chunk.sizes[row] = pixels.shape[:2]
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    chunk.digests[row] = np.frombuffer(digest.digest()[:_DIGEST], np.uint8)
    small[:] = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    height, width = chunk.face_sum.shape[:2]
    if pixels.shape[:2] != (height, width):
        pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    cv2.accumulate(pixels, chunk.face_sum)
    chunk.faces += 1


def _judge_colours(chunk: Scan, small: npt.NDArray[np.uint8]) -> None:
    """Judge the colours of images that are reduced to N × 32 × 32 × 3."""
    decoded = np.ones(len(small), bool)
    decoded[list(chunk.unreadable)] = False
    chunk.blank[:] = decoded & (small.std(axis=(1, 2)).max(axis=1) < BLANK)
    spread = small.max(axis=3) - small.min(axis=3)
    chunk.grey[:] = decoded & ~chunk.blank & (spread.max(axis=(1, 2)) <= GREY)
    middle = small[:, _MIDDLE, _MIDDLE].mean(axis=(1, 2))
    redder = middle[:, 0] - middle[:, 2]
    chunk.swapped[:] = decoded & ~chunk.grey & (redder < -SWAPPED)
