"""A writer of MXNet's record files from the definition of the format, independent of the reader."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

MAGIC = bytes.fromhex("0a23d7ce")


def frame(data: bytes, part: int) -> bytes:
    return MAGIC + struct.pack("<I", part << 29 | len(data)) + data + bytes(-len(data) % 4)


def record(data: bytes) -> bytes:
    """One record; cut where the data hold the magic at a multiple of four bytes."""
    pieces, start = [], 0
    for place in range(0, len(data) - 3, 4):
        if data[place : place + 4] == MAGIC:
            pieces.append(data[start:place])
            start = place + 4
    pieces.append(data[start:])
    if len(pieces) == 1:
        return frame(data, 0)
    parts = [1] + [2] * (len(pieces) - 2) + [3]
    return b"".join(frame(piece, part) for piece, part in zip(pieces, parts, strict=True))


def content(image: bytes, labels: float | Sequence[float], key: int = 0) -> bytes:
    """Header and image; a single number stands in the header itself, several follow it."""
    if isinstance(labels, int | float):
        return struct.pack("<IfQQ", 0, labels, key, 0) + image
    several = struct.pack(f"<{len(labels)}f", *labels)
    return struct.pack("<IfQQ", len(labels), -1.0, key, 0) + several + image


def write_rec(path: Path, contents: Sequence[bytes], index: Sequence[int] | None = None) -> list[int]:
    """Write `contents` as keys 0, 1, … and return their offsets.

    Args:
        index: the keys in the order of the lines of the .idx file; None: no .idx file.
    """
    offsets, data = [], b""
    for item in contents:
        offsets.append(len(data))
        data += record(item)
    path.write_bytes(data)
    if index is not None:
        lines = [f"{key}\t{offsets[key]}\n" for key in index]
        path.with_suffix(".idx").write_text("".join(lines))
    return offsets


def insightface(images: Sequence[tuple[int, bytes]]) -> list[bytes]:
    """Contents as InsightFace packs them: an index header, the images, and a header for each identity."""
    count = len(images)
    identities = sorted({identity for identity, _ in images})
    ranges = []
    for identity in identities:
        keys = [key for key, (label, _) in enumerate(images, start=1) if label == identity]
        ranges.append(content(b"", (keys[0], keys[-1] + 1)))
    first = content(b"", (count + 1, count + 1 + len(identities)))
    return [first, *(content(image, label) for label, image in images), *ranges]
