"""Decoding of images to RGB pixels by OpenCV, the fastest decoder available, and one for all formats."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.images import decoding_memory
from nsface.images.dimensions import dimensions, image_extension
from nsface.images.jpeg import Picture, first_picture

# Pillow takes larger images for decompression bombs; 537 MB of pixels are more than any camera's.
MAX_PIXELS = decoding_memory.LIMIT
# A photograph has at most some 20 pixels for each byte. A file that states far more is no photograph, but
# would fill the memory: 20 KB of PNG can be 500 MB of pixels.
SMALL_PIXELS = 1 << 24
PIXELS_PER_BYTE = 1000
_UNDECODED = 128  # the grey of libjpeg where the data of an image end too early
_MORE = b"\x5a\xa5\x33\xcc" * 16
_END = b"\xff\xd9"
_one_at_a_time = threading.Lock()

# the errors about images are raised here, so OpenCV need not print them
if hasattr(cv2, "setLogLevel"):  # until OpenCV 5, which has it in `utils` alone
    cv2.setLogLevel(2)
else:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


def decode(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Decode one JPEG, PNG, WebP, BMP or TIFF image to RGB, uint8, height × width × 3, in [0, 255].

    Grey images are repeated over the channels, CMYK is converted, transparency is dropped, 16-bit channels
    are reduced to 8, and the orientation that the EXIF data ask for is applied. Bytes after the end of
    the (first) image are ignored.

    Raises:
        DataError: `data` is no image, is truncated, or states more pixels than MAX_PIXELS or than so many
            bytes can hold, which is checked before memory is allocated; the message starts with `name`.
    """
    size, end, picture = _checked(data, name)
    decoding_memory.reserve(size[0] * size[1])
    pixels = _decoded(data[:end] if end < len(data) else data, name)
    if picture is not None and _ends_early(data[:end], pixels, picture, name):
        raise DataError(f"{name}: truncated image")
    return pixels


def check_image(data: bytes, name: str) -> tuple[int, int]:
    """Height and width of an image before its EXIF orientation is applied, checked without decoding it.

    Raises:
        DataError: it is empty, no image, truncated, or has too many pixels; the message starts with `name`.
    """
    return _checked(data, name)[0]


def _checked(data: bytes, name: str) -> tuple[tuple[int, int], int, Picture | None]:
    """Height and width, the number of bytes up to the end of the image, and the markers of a JPEG."""
    if not data:
        raise DataError(f"{name}: empty file")
    extension = image_extension(data)
    if extension is None:
        raise DataError(f"{name}: not an image that can be read (JPEG, PNG, WebP, BMP or TIFF)")
    picture = first_picture(data) if extension == ".jpg" else None
    size = picture.size if picture else dimensions(data)
    end: int | None = len(data)
    if picture is not None:
        end = picture.end
    elif extension == ".png":
        end = _png_end(data)
    if end is None:
        raise DataError(f"{name}: truncated image")
    if size is None or 0 in size:
        raise DataError(f"{name}: not an image, or a damaged one")
    stated = f"{name}: states that it is {size[0]}×{size[1]} (height × width), "
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(f"{stated}more than {MAX_PIXELS:,} pixels")
    if size[0] * size[1] > SMALL_PIXELS + PIXELS_PER_BYTE * len(data):
        raise DataError(f"{stated}in {len(data):,} bytes: no photograph")
    return size, end, picture


def _decoded(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise DataError(f"{name}: cannot be decoded ({error.err})") from error
    if pixels is None:
        raise DataError(f"{name}: not an image, or a damaged one")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels), np.uint8)


def _png_end(data: bytes) -> int | None:
    """Number of bytes up to the end of a PNG image; None where it is truncated."""
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        if kind == b"IEND":
            break
    else:
        return None
    return position if position <= len(data) else None


def _ends_early(data: bytes, pixels: npt.NDArray[np.uint8], picture: Picture, name: str) -> bool:
    """Whether the data of a JPEG that has its end marker stop before its last block.

    The decoder does not report it. It leaves blocks without data grey, and so a corner of the image (in CMYK,
    in some other colour). Such an image is decoded again with more data before its end, which do not change a
    complete one. An image in several scans is recognised by what its scans lack; the end of its last scan
    cannot be checked.
    """
    if len(picture.scans) > 1:
        return picture.lacks_scans
    bottom, right = pixels.shape[0] - 1, pixels.shape[1] - 1
    corners = (bottom, right), (bottom, 0), (0, right), (0, 0)  # EXIF may have turned the image
    if len(picture.components) < 4 and all(pixels.item(*corner, 0) != _UNDECODED for corner in corners):
        return False
    with _silent():
        longer = _decoded(data.removesuffix(_END) + _MORE + _END, name)
    return not np.array_equal(longer, pixels)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep libjpeg from writing to standard error, while its complaints are of no use."""
    with _one_at_a_time:
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
