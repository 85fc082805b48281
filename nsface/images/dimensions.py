"""Height and width from the first bytes of an encoded image, before anything is decoded."""

from __future__ import annotations

import struct

from nsface.images.jpeg import first_picture

_EXTENSIONS = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)
_TIFF_VALUES = {1: "B", 3: "H", 4: "I"}
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


def image_extension(data: bytes) -> str | None:
    """The extension of the format of `data`, by its first bytes; None for a format that is not read."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((extension for start, extension in _EXTENSIONS if data.startswith(start)), None)


def dimensions(data: bytes) -> tuple[int, int] | None:
    """Height and width that a JPEG, PNG, WebP, BMP or TIFF states, before its EXIF orientation is applied.

    None where `data` is of another format, or ends before the size.
    """
    try:
        match image_extension(data):
            case ".jpg":
                return first_picture(data).size
            case ".png":
                width, height = struct.unpack_from(">II", data, 16)
            case ".webp":
                height, width = _webp(data)
            case ".bmp":
                width, height = _bmp(data)
            case ".tif":
                return _tiff(data)
            case _:
                return None
    except (struct.error, IndexError):
        return None
    return height, width


def _webp(data: bytes) -> tuple[int, int]:
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return height & 0x3FFF, width & 0x3FFF
        case b"VP8L":
            (packed,) = struct.unpack_from("<I", data, 21)
            return (packed >> 14 & 0x3FFF) + 1, (packed & 0x3FFF) + 1
        case b"VP8X":
            width = int.from_bytes(data[24:27], "little") + 1
            height = int.from_bytes(data[27:30], "little") + 1
            return height, width
        case _:
            raise IndexError


def _bmp(data: bytes) -> tuple[int, int]:
    (size,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", data, 18)
    return abs(width), abs(height)  # a negative height: the rows run from the top


def _tiff(data: bytes) -> tuple[int, int] | None:
    order = "<" if data[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(order + "I", data, 4)
    (entries,) = struct.unpack_from(order + "H", data, directory)
    found: dict[int, int] = {}
    for entry in range(entries):
        at = directory + 2 + 12 * entry
        tag, kind = struct.unpack_from(order + "HH", data, at)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT) and kind in _TIFF_VALUES:
            (found[tag],) = struct.unpack_from(order + _TIFF_VALUES[kind], data, at + 8)
    if len(found) < 2:
        return None
    return found[_TIFF_HEIGHT], found[_TIFF_WIDTH]
