"""Height and width from the first bytes of an encoded image, before anything is decoded."""

from __future__ import annotations

import struct

_EXTENSIONS = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)
# JPEG's start-of-frame markers: C0 to CF without C4 and CC (tables for coding) and C8 (reserved)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TIFF_VALUES = {1: "B", 3: "H", 4: "I"}
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


def image_extension(data: bytes) -> str | None:
    """The extension of the format that `data` begins like; None where it is none that nsface reads."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((extension for start, extension in _EXTENSIONS if data.startswith(start)), None)


def dimensions(data: bytes) -> tuple[int, int] | None:
    """Height and width that a JPEG, PNG, WebP, BMP or TIFF says it has, before EXIF turns it.

    None where `data` is of another format, or ends before it says so.
    """
    try:
        match image_extension(data):
            case ".jpg":
                return _jpeg(data)
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


def _jpeg(data: bytes) -> tuple[int, int] | None:
    position = 2
    while True:
        while data[position] == 0xFF:  # any number of fill bytes may stand before a marker
            position += 1
        marker = data[position]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 4)
            return height, width
        if marker in (0xD9, 0xDA):
            return None
        alone = marker == 0x01 or 0xD0 <= marker <= 0xD8
        (length,) = (0,) if alone else struct.unpack_from(">H", data, position + 1)
        position += 1 + length
        if data[position] != 0xFF:
            position = data.find(b"\xff", position)
            if position < 0:
                return None


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
