"""The markers of a JPEG file: its size, the end of its first image, and whether scans are missing.

ITU-T T.81 (https://www.w3.org/Graphics/JPEG/itu-t81.pdf), annexes B and G. Phones write more after the end:
a short film, a second image (MPO), a depth map.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
# start-of-frame markers: C0 to CF without C4 and CC (tables for coding) and C8 (reserved)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_ALONE = frozenset({0x01, *range(0xD0, 0xDA)})  # markers without a segment
_MARKER = re.compile(rb"\xff[^\x00\xff]")  # any number of fill bytes FF may stand before one
_AFTER_SCAN = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd7]")  # FF 00 and restart markers belong to the scan
_SEGMENT = struct.Struct(">BBH")  # FF, the marker, the length of what follows, these two bytes included
_SHORTEST_SCAN = 6
_COEFFICIENTS = 64


@dataclass
class Picture:
    """The first image of a JPEG file.

    Attributes:
        size: height and width; None where there is no frame.
        frame: the marker of its frame.
        components: the numbers of the components of a pixel.
        scans: the segment at the start of each scan.
        end: number of bytes up to its end marker, that included; None where the marker is missing.
    """

    size: tuple[int, int] | None = None
    frame: int = 0
    components: bytes = b""
    scans: list[bytes] = field(default_factory=list)
    end: int | None = None

    @property
    def lacks_scans(self) -> bool:
        """Whether scans of an image that has several are missing: coefficients, or their last bits."""
        if self.frame not in _PROGRESSIVE:
            return not set(self.components) <= {number for scan in self.scans for number in _components(scan)}
        # the bits that are still missing of each coefficient of each component; at first 99, so all of them
        left = {number: [99] * _COEFFICIENTS for number in self.components}
        for scan in self.scans:
            first, last, bits = scan[-3], scan[-2], scan[-1] & 0x0F
            for number in _components(scan):
                if number in left and first <= last < _COEFFICIENTS:
                    left[number][first : last + 1] = [bits] * (last + 1 - first)
        # a file may leave out what is zero altogether, but not what it has begun
        return any(bits[0] != 0 or any(0 < rest < 99 for rest in bits) for bits in left.values())


def first_picture(data: bytes) -> Picture:
    """Read the markers of `data` up to the end of the first image, in a time that grows with their number."""
    picture = Picture()
    position, last = 2, len(data) - _SEGMENT.size
    while True:
        start = marker = length = 0
        if position <= last:
            start, marker, length = _SEGMENT.unpack_from(data, position)
        if start != 0xFF or marker in (0, 0xFF):  # there is no marker, or the data end
            if (found := _MARKER.search(data, position)) is None:
                return picture
            position, marker = found.start(), data[found.end() - 1]
            length = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _ALONE:
            position += 2
            if marker == _END and picture.scans:
                picture.end = position
                return picture
            continue
        segment = position + 4
        position += 2 + max(2, length)
        if marker in _FRAMES and picture.size is None:
            _read_frame(picture, marker, data[segment:position])
        elif marker == _SCAN and length >= _SHORTEST_SCAN:
            picture.scans.append(data[segment:position])
            if (found := _AFTER_SCAN.search(data, position)) is None:
                return picture
            position = found.start()


def _read_frame(picture: Picture, marker: int, frame: bytes) -> None:
    """Read the segment of a frame: precision, height, width, number of components, three bytes for each."""
    if len(frame) >= 6:
        picture.size = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
        picture.frame, picture.components = marker, frame[6::3][: frame[5]]


def _components(scan: bytes) -> bytes:
    """The numbers of the components in a scan."""
    return scan[1 : 1 + 2 * scan[0] : 2] if scan else b""
