"""Encoded test images, written by OpenCV, not by the library under test."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.images.sources import Source, open_source


def picture(height: int = 12, width: int = 10, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Smooth random RGB pixels, which survive JPEG compression well."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def encoded(pixels: npt.NDArray[np.uint8], extension: str = ".png") -> bytes:
    """RGB (or grey, or RGBA) pixels as the bytes of a file."""
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    done, data = cv2.imencode(extension, pixels)
    assert done
    return data.tobytes()


def opened_or_refused(path: Path) -> Source | None:
    """The images in `path`; None where they are refused, which takes one line."""
    try:
        return open_source(str(path))
    except DataError as error:
        message = str(error)
    assert "\n" not in message
    return None


def write_tar(path: Path, images: int = 40, extension: str = ".jpg") -> Path:
    """A tar of `images` pictures of 12 × 10 in the folders `train/id0` … `train/id6`."""
    with tarfile.open(path, "w") as archive:
        for number in range(images):
            data = encoded(picture(seed=number), extension)
            member = tarfile.TarInfo(f"train/id{number % 7}/{number:03d}{extension}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path
