"""Every kind of picture becomes RGB, and what is no picture is refused by name."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from pictures import encoded, picture

from nsface.errors import DataError
from nsface.images.decode import decode


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tif", ".webp"])
def test_lossless_formats_are_exact(extension: str) -> None:
    pixels = picture()
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if extension == ".webp" else []
    data = cv2.imencode(extension, pixels[..., ::-1], options)[1].tobytes()
    assert np.array_equal(decode(data, "x"), pixels)


def test_jpeg_is_rgb() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    decoded = decode(encoded(red, ".jpg"), "x")
    assert np.abs(decoded.astype(int) - red).max() < 6


def test_grey_is_repeated_and_transparency_dropped() -> None:
    grey = picture()[..., 0]
    assert np.array_equal(decode(encoded(grey), "x"), np.repeat(grey[..., None], 3, axis=2))
    rgba = np.dstack([picture(), np.full((12, 10), 7, np.uint8)])
    assert np.array_equal(decode(encoded(rgba), "x"), picture())


def test_sixteen_bits_are_reduced() -> None:
    wide = picture().astype(np.uint16) * 257
    assert np.array_equal(decode(encoded(wide), "x"), picture())  # type: ignore[arg-type]


def test_cmyk() -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow writes CMYK here; nothing else at hand does")
    buffer = io.BytesIO()
    image.new("CMYK", (10, 12), (0, 255, 255, 0)).save(
        buffer, "JPEG"
    )  # no cyan, full magenta and yellow: red
    red, green, blue = decode(buffer.getvalue(), "x").reshape(-1, 3).mean(axis=0)
    assert red > 200
    assert max(green, blue) < 60


def test_exif_orientation_is_applied() -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow writes EXIF here; nothing else at hand does")
    exif = image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    buffer = io.BytesIO()
    image.fromarray(picture(12, 10)).save(buffer, "JPEG", exif=exif)
    assert decode(buffer.getvalue(), "x").shape == (10, 12, 3)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty file"),
        (b"hello, I am a text file\n", "not an image"),
        (b"BM" + b"\0" * 40, "not an image, or a damaged one"),
        (encoded(picture(64, 64), ".jpg")[:200], "truncated"),
        (encoded(picture(64, 64), ".jpg")[:-40], "truncated"),
        (encoded(picture(64, 64), ".png")[:300], "image"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 30, "image"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(data: bytes, why: str) -> None:
    with pytest.raises(DataError, match=rf"^a/b\.jpg: .*{why}"):
        decode(data, "a/b.jpg")
