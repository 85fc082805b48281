"""Sizes read from headers are those that OpenCV decodes, and impossible ones are refused before decoding."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.errors import DataError
from nsface.images.decode import decode
from nsface.images.dimensions import dimensions, image_extension
from tests.images.pictures import encoded, picture

EXTENSIONS = [".jpg", ".png", ".bmp", ".tif", ".webp"]


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (12, 10), (7, 300), (300, 7)])
def test_all_formats(extension: str, height: int, width: int) -> None:
    data = encoded(picture(height, width), extension)
    assert image_extension(data) == extension
    decoded = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), 1))
    assert dimensions(data) == (height, width) == decoded.shape[:2]


@pytest.mark.parametrize("options", [[cv2.IMWRITE_WEBP_QUALITY, 50], [cv2.IMWRITE_WEBP_QUALITY, 101]])
def test_webp_with_and_without_loss(options: list[int]) -> None:
    data = cv2.imencode(".webp", picture(33, 21), options)[1].tobytes()
    assert dimensions(data) == (33, 21)
    alpha = np.dstack([picture(33, 21), np.full((33, 21), 9, np.uint8)])
    assert dimensions(cv2.imencode(".webp", alpha, options)[1].tobytes()) == (33, 21)


def test_progressive_jpeg_and_large_exif() -> None:
    progressive = cv2.imencode(".jpg", picture(33, 21), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert dimensions(progressive) == (33, 21)
    # a thumbnail in the EXIF data has markers of its own
    thumbnail = b"Exif\0\0" + encoded(picture(5, 4), ".jpg")
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    assert dimensions(progressive[:2] + segment + b"\xff\xff" + progressive[3:]) == (33, 21)


def test_big_endian_tiff_and_top_down_bmp() -> None:
    entries = [(256, 4, 70_000), (257, 3, 9 << 16)]  # a short stands in the first half of its four bytes
    tiff = (
        b"MM\0*"
        + struct.pack(">IH", 8, 2)
        + b"".join(struct.pack(">HHII", t, k, 1, v) for t, k, v in entries)
    )
    assert dimensions(tiff) == (9, 70_000)
    bmp = bytearray(encoded(picture(12, 10), ".bmp"))
    bmp[22:26] = struct.pack("<i", -12)
    assert dimensions(bytes(bmp)) == (12, 10)


@given(
    st.sampled_from(EXTENSIONS),
    st.integers(0, 200),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255))),
)
def test_damaged_headers_never_raise(extension: str, length: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(encoded(picture(), extension)[:length])
    for place, value in changes:
        if place < len(data):
            data[place] = value
    size = dimensions(bytes(data))
    assert size is None or len(size) == 2


def png(height: int, width: int) -> bytes:
    """A PNG with a sound header, and rows of zeros that compress to nearly nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bombs() -> dict[str, bytes]:
    jpeg = bytearray(encoded(picture(64, 64), ".jpg"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 50_000, 50_000)
    bmp = bytearray(encoded(picture(), ".bmp"))
    bmp[18:26] = struct.pack("<ii", 50_000, 50_000)
    webp = b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<II", 10, 0)
    webp += 2 * (49_999).to_bytes(3, "little") + bytes(20)
    tiff = b"II*\0" + struct.pack("<IH", 8, 2)
    tiff += struct.pack("<HHII", 256, 4, 1, 50_000) + struct.pack("<HHII", 257, 4, 1, 50_000) + bytes(4)
    return {"png": png(50_000, 50_000), "jpeg": bytes(jpeg), "bmp": bytes(bmp), "webp": webp, "tiff": tiff}


@pytest.mark.parametrize("kind", bombs())
def test_decompression_bombs_are_refused(kind: str) -> None:
    with pytest.raises(
        DataError, match=r"^a\.png: states that it is 50000×50000 \(height × width\), more than 178,9"
    ):
        decode(bombs()[kind], "a.png")


def test_refusing_a_bomb_takes_no_memory() -> None:
    """A process that may not take more memory than it has refuses the bomb all the same."""
    code = (
        "import resource, sys\n"
        "from nsface.errors import DataError\n"
        "from nsface.images.decode import decode\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "limit = pages * resource.getpagesize() + (64 << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "try: decode(sys.stdin.buffer.read(), 'bomb')\n"
        "except DataError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=png(13_000, 13_800), capture_output=True, check=True
    )
    assert done.stdout.startswith("bomb: states that it is 13000×13800".encode())
