"""Encoded bytes → RGB pixels, by OpenCV: the fastest decoder at hand, and one for all formats."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from nsface.errors import DataError


def decode(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Decode one image to RGB, uint8, height × width × 3, in [0, 255].

    Grey images are repeated over the channels, CMYK is converted, transparency is dropped, 16-bit channels
    are reduced to 8, and the orientation that the EXIF data ask for is applied.

    Raises:
        DataError: `data` is no image, or is truncated; the message starts with `name`.
    """
    if not data:
        raise DataError(f"{name}: empty file")
    if _truncated(data):
        raise DataError(f"{name}: truncated image")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise DataError(f"{name}: cannot be decoded ({error.err})") from error
    if pixels is None:
        raise DataError(f"{name}: not an image, or a damaged one")
    return np.ascontiguousarray(pixels[:, :, ::-1], dtype=np.uint8)


def _truncated(data: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end: some versions of OpenCV fill up what is missing with grey."""
    if data.startswith(b"\xff\xd8"):
        # neither marker can occur inside a scan, so the end of the image follows the start of the last scan
        return data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda")
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-64:]
    return False
