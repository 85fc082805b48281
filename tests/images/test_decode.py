"""Every kind of picture becomes RGB, and what is no picture is refused by name."""

from __future__ import annotations

import io
import resource
import struct
import sys
import zlib

import cv2
import numpy as np
import pytest

from nsface.errors import DataError
from nsface.images.decode import decode
from tests.images.pictures import encoded, picture

VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + np.random.default_rng(5).bytes(50_000)


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


def jpeg(seed: int, *options: int, height: int = 64, width: int = 48) -> bytes:
    data = cv2.imencode(
        ".jpg", picture(height, width, seed)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92, *options]
    )
    return data[1].tobytes()


PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)


@pytest.mark.parametrize(
    "behind", [VIDEO, b"xx\xff\xdaxx", b"\xff\xd9" * 9, jpeg(9), b"\0", b"\xff\xd8\xff\xe1"]
)
@pytest.mark.parametrize("options", [(), PROGRESSIVE, RESTARTS])
def test_what_stands_behind_the_end_of_a_jpeg_changes_nothing(
    behind: bytes, options: tuple[int, ...]
) -> None:
    for seed in range(3):
        data = jpeg(seed, *options)
        assert np.array_equal(decode(data + behind, "x"), decode(data, "x"))


def test_what_stands_behind_the_end_of_other_formats_changes_nothing() -> None:
    for extension in (".png", ".webp", ".bmp", ".tif"):
        data = encoded(picture(), extension)
        assert np.array_equal(decode(data + VIDEO, "x"), decode(data, "x"))


def test_a_thumbnail_inside_is_not_the_picture() -> None:
    data, small = jpeg(1), jpeg(2, height=8, width=8)
    with_thumbnail = data[:2] + b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small + data[2:]
    assert np.array_equal(decode(with_thumbnail, "x"), decode(data, "x"))


@pytest.mark.parametrize("end", [b"", b"zz", VIDEO, b"\xff\xd9", b"zz\xff\xd9", b"\xff\xd9" + VIDEO])
@pytest.mark.parametrize("options", [(), PROGRESSIVE, RESTARTS])
@pytest.mark.parametrize("left", [0.5, 0.8])
def test_a_cut_jpeg_is_refused_whatever_stands_behind(
    end: bytes, options: tuple[int, ...], left: float, capfd: pytest.CaptureFixture[str]
) -> None:
    """The decoder fills up what is missing, with grey or with a coarser picture."""
    for seed in range(3):
        data = jpeg(seed, *options)
        with pytest.raises(DataError, match=r"^x: truncated image$"):
            decode(data[: int(left * len(data))].rstrip(b"\xff") + end, "x")


def test_grey_pictures_are_whole() -> None:
    for shape in ((40, 32, 3), (7, 9, 3), (1, 1, 3), (64, 64)):
        flat = np.full(shape, 128, np.uint8)
        assert decode(encoded(flat, ".jpg"), "x").shape[:2] == shape[:2]
    half = picture(64, 64)
    half[32:] = 128
    assert np.abs(decode(encoded(half, ".jpg"), "x")[40:].astype(int) - 128).max() == 0


def test_a_second_look_at_a_picture_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    decode(encoded(np.full((64, 64, 3), 128, np.uint8), ".jpg"), "x")
    assert capfd.readouterr().err == ""


def png_bomb(height: int, width: int) -> bytes:
    """A PNG of one bit a pixel, all zero, made without its pixels."""
    packed = zlib.compressobj()
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(packed.compress(row) for _ in range(height)) + packed.flush()
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)),
        (b"IDAT", data),
        (b"IEND", b""),
    ]
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("size", "why"),
    [
        ((13_000, 13_000), "no photograph"),
        ((40_000, 4_000), "no photograph"),
        ((20_000, 20_000), "more than 178,956,970 pixels"),
    ],
)
def test_a_small_file_does_not_fill_the_memory(size: tuple[int, int], why: str) -> None:
    data = png_bomb(*size)
    assert len(data) < 60_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=why):
        decode(data, "x")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000 * (
        1024 if sys.platform == "darwin" else 1
    )


def test_a_large_flat_picture_is_read() -> None:
    assert decode(png_bomb(3000, 4000), "x").shape == (3000, 4000, 3)
