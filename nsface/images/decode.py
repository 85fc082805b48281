"""Encoded bytes → RGB pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torchvision.io import ImageReadMode, decode_image

from nsface.errors import DataError

# OpenCV reads what torchvision does not: bitmaps and TIFF, by their first bytes.
_OPENCV_SIGNATURES = (b"BM", b"II*\0", b"MM\0*")


def decode(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Decode one image to RGB, uint8, height × width × 3, in [0, 255].

    Grey images are repeated over the channels, CMYK is converted, transparency is dropped, 16-bit channels
    are reduced to 8, and the orientation that the EXIF data ask for is applied.

    Raises:
        DataError: `data` is no image, or is truncated; the message starts with `name`.
    """
    if not data:
        raise DataError(f"{name}: empty file")
    if data.startswith(_OPENCV_SIGNATURES):
        return _decode_opencv(data, name)
    try:
        pixels = decode_image(
            torch.frombuffer(bytearray(data), dtype=torch.uint8),
            mode=ImageReadMode.RGB,
            apply_exif_orientation=True,
        )
    except RuntimeError as error:
        raise DataError(f"{name}: {_cause(error)}") from error
    array: npt.NDArray[np.generic] = pixels.permute(1, 2, 0).numpy()
    return array.astype(np.uint8) if array.dtype == np.uint8 else (array // 257).astype(np.uint8)


def _decode_opencv(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise DataError(f"{name}: not an image, or a damaged one")
    return np.ascontiguousarray(pixels[:, :, ::-1])


def _cause(error: RuntimeError) -> str:
    text = str(error)
    if "truncated" in text or "incomplete" in text.lower():
        return "truncated image"
    if "Unsupported image file" in text:
        return "not an image (neither JPEG, PNG, WebP, GIF, BMP nor TIFF)"
    return f"damaged image ({text.splitlines()[0].rsplit('] ', 1)[-1][:120]})"
