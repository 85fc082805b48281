"""Encoded bytes → RGB pixels, by OpenCV: the fastest decoder at hand, and one for all formats."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.images.dimensions import dimensions, image_extension

# What Pillow takes for a decompression bomb; its 537 MB of pixels are more than any camera's.
MAX_PIXELS = 178_956_970

# what is wrong with an image is said by name, not by OpenCV besides
if hasattr(cv2, "setLogLevel"):  # until OpenCV 5, which has it in `utils` alone
    cv2.setLogLevel(2)
else:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


def decode(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Decode one JPEG, PNG, WebP, BMP or TIFF image to RGB, uint8, height × width × 3, in [0, 255].

    Grey images are repeated over the channels, CMYK is converted, transparency is dropped, 16-bit channels
    are reduced to 8, and the orientation that the EXIF data ask for is applied.

    Raises:
        DataError: `data` is no image, is truncated, or says that it has more than MAX_PIXELS pixels, which
            is found out before memory is taken for them; the message starts with `name`.
    """
    check_image(data, name)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise DataError(f"{name}: cannot be decoded ({error.err})") from error
    if pixels is None:
        raise DataError(f"{name}: not an image, or a damaged one")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels), np.uint8)


def check_image(data: bytes, name: str) -> None:
    """Refuse what cannot be decoded, as far as its first and last bytes show.

    Raises:
        DataError: empty, no image, truncated, or more than MAX_PIXELS pixels; the message starts with `name`.
    """
    if not data:
        raise DataError(f"{name}: empty file")
    if image_extension(data) is None:
        raise DataError(f"{name}: not an image that can be read (JPEG, PNG, WebP, BMP or TIFF)")
    if _truncated(data):
        raise DataError(f"{name}: truncated image")
    size = dimensions(data)
    if size is None or 0 in size:
        raise DataError(f"{name}: not an image, or a damaged one")
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(
            f"{name}: says it is {size[0]}×{size[1]} (height × width), more than {MAX_PIXELS:,} pixels"
        )


def _truncated(data: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end: some versions of OpenCV fill up what is missing with grey."""
    if data.startswith(b"\xff\xd8"):
        # neither marker can occur inside a scan, so the end of the image follows the start of the last scan
        return data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda")
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-64:]
    return False
