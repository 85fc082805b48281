"""Images in an MXNet record file, as InsightFace distributes training sets, read without MXNet.

`train.rec` holds records (see `recordio`), each

    uint32 n, float32 label, uint64 id, uint64 id2, n × float32 labels (in place of `label`), encoded image

little-endian; the identity is the first label. `train.idx` has lines `key<TAB>offset`; without it the records
are counted from 0. Where record 0 has two labels (a, b) and no image, images are the keys 1 … a − 1, and the
keys up to b − 1 are headers of identities, without images. Otherwise every record is an image. `property`
beside it holds `classes,height,width`.

https://github.com/deepinsight/insightface/tree/master/recognition/_datasets_
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.images.dimensions import image_extension
from nsface.images.sources.base import Source
from nsface.images.sources.recordio import (
    FIRST,
    FRAME,
    LENGTH,
    MAGIC,
    WHOLE,
    Integers,
    RecordFile,
    read_index,
)

_HEADER = struct.Struct("<IfQQ")
_SHORTEST_IMAGE = 8
_EXTENSIONS = [".jpg", ".png", ".webp", ".bmp", ".tif"]
_STARTS = {0xD8FF: 0, 0x5089: 1, 0x4952: 2, 0x4D42: 3, 0x4949: 4, 0x4D4D: 4}  # first two bytes → extension


@dataclass
class _Table:
    """What the headers of N records say.

    Attributes:
        keys: int64.
        starts, sizes: where the image lies and its bytes, int64. A record of several parts has −1 and the
            offset of the record.
        counts: number of labels, int64.
        labels: the first label, float32.
        formats: index into _EXTENSIONS, uint8.
    """

    keys: Integers
    starts: Integers
    sizes: Integers
    counts: Integers
    labels: npt.NDArray[np.float32]
    formats: npt.NDArray[np.uint8]

    def only(self, chosen: npt.NDArray[np.bool_]) -> _Table:
        return _Table(*(column[chosen] for column in vars(self).values()))


class RecSource(Source):
    """Every image of an MXNet record file, in the order of the keys, named `LABEL/KEY.jpg`.

    In memory are only the place and the label of each image.

    Args:
        path: the `.rec` file; `.idx` and `property` are looked for beside it.

    Raises:
        DataError: a record or a line of the index that cannot be right (the message has key and offset), or
            another number of images than record 0 says.
    """

    kind = "rec"
    opened = ("_records",)

    def __init__(self, path: Path) -> None:
        self.location = str(path)
        self._records = RecordFile(path)
        index = path.with_suffix(".idx")
        if index.exists():
            keys, offsets = read_index(index)
        else:
            offsets = self._records.scan()
            keys = np.arange(len(offsets))
        table = _headers(self._records, keys, offsets)
        self._table = table = self._images(table, index.name if index.exists() else None)
        values, self._classes = np.unique(table.labels, return_inverse=True)
        whole = np.isfinite(values) & (values == np.round(values))
        if not whole.all():
            odd = int(np.flatnonzero(~whole[self._classes])[0])
            key, label = table.keys[odd], table.labels[odd]
            raise DataError(f"{path}: record {key}: label {label} is no whole number, so no identity")
        self._identities = ["" if value < 0 else str(int(value)) for value in values]
        self.names = _Names(table, self._classes, self._identities)
        self.remarks = _property_remarks(path.with_name("property"), len(self._identities))

    def _open(self) -> None:
        self._records = RecordFile(Path(self.location))

    def _images(self, table: _Table, index: str | None) -> _Table:
        """The rows of `table` that are images."""
        bounds = self._bounds(table)
        if bounds is None:
            return table
        first_header, end = bounds
        header = (table.counts >= 2) & (table.sizes >= 0) & (table.sizes < _SHORTEST_IMAGE)
        images = table.only((table.keys > 0) & (table.keys < end) & ~header)
        # the bounds are float32 and so rounded above 2²⁴: what is an image shows in the records themselves
        if abs(len(images.keys) - (first_header - 1)) > np.spacing(np.float32(first_header)) // 2:
            where = f"{index} lists" if index else "the file holds"
            raise DataError(
                f"{self.location}: record 0 says that there are {first_header - 1} images, and {where} "
                f"{len(images.keys)}; copy or download it again"
            )
        return images

    def _bounds(self, table: _Table) -> tuple[int, int] | None:
        """(a, b) of the index header, if record 0 is one."""
        if not len(table.keys) or table.keys[0] != 0 or table.counts[0] != 2 or table.sizes[0] < 0:
            return None
        if table.sizes[0] >= _SHORTEST_IMAGE:
            return None
        first, end = struct.unpack("<ff", self._records.read(int(table.starts[0]) - 8, 8))
        return (int(first), int(end)) if 1 <= first <= end < 2**40 else None

    @property
    def labelled(self) -> bool:
        return True

    @property
    def identities(self) -> list[str]:
        return [self._identities[number] for number in self._classes.tolist()]

    def read(self, index: int) -> bytes:
        start, size = int(self._table.starts[index]), int(self._table.sizes[index])
        if size >= 0:
            return self._records.read(start, size)
        data = self._records.record(int(self._table.keys[index]), start)
        return data[_HEADER.size + 4 * _HEADER.unpack_from(data)[0] :]

    def stamps(self) -> Iterable[tuple[str, int]]:
        for start, size in zip(self._table.starts.tolist(), self._table.sizes.tolist(), strict=True):
            yield f"{start} {size}", self._records.changed


class _Names(Sequence[str]):
    """`LABEL/KEY.jpg`, made when asked for: strings of all names would be the largest thing in memory."""

    def __init__(self, table: _Table, classes: npt.NDArray[np.intp], identities: list[str]) -> None:
        self._table, self._classes, self._identities = table, classes, identities

    def __len__(self) -> int:
        return len(self._table.keys)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        identity = self._identities[self._classes[index]]
        name = f"{self._table.keys[index]:08d}{_EXTENSIONS[self._table.formats[index]]}"
        return f"{identity}/{name}" if identity else name


def _headers(records: RecordFile, keys: Integers, offsets: Integers) -> _Table:
    """Read the headers of all records at once, from the mapped file."""
    words = records.words()

    def refuse(where: npt.NDArray[np.bool_], what: str) -> None:
        if where.any():
            row = int(np.flatnonzero(where)[0])
            raise records.fault(int(keys[row]), int(offsets[row]), what)

    outside = (offsets < 0) | (offsets % 4 != 0) | (offsets + FRAME.size > records.size)
    refuse(outside, f"no record can begin there, in a file of {records.size} bytes")
    at = offsets // 4
    packed = words[at + 1]
    parts, lengths = packed >> 29, (packed & LENGTH).astype(np.int64)
    sound = (words[at] == MAGIC) & (parts <= FIRST) & (offsets + FRAME.size + lengths <= records.size)
    if not sound.all():
        row = int(np.flatnonzero(~sound)[0])
        why = records.problem(
            int(words[at[row]]), int(parts[row]), int(lengths[row]), int(offsets[row]), inside=False
        )
        raise records.fault(int(keys[row]), int(offsets[row]), str(why))

    whole = parts == WHOLE
    refuse(
        whole & (lengths < _HEADER.size),
        f"shorter than the {_HEADER.size} bytes that every record begins with",
    )
    # a record may be the last and hold no image: what lies behind its end is read in its place and not used
    last = len(words) - 1
    counts = np.where(whole, words[np.minimum(at + 2, last)], 0).astype(np.int64)
    begin = _HEADER.size + 4 * counts
    refuse(whole & (begin > lengths), "more labels announced than it has bytes")
    first = np.where(counts > 0, at + 2 + _HEADER.size // 4, at + 3)
    labels = words[np.minimum(first, last)].view(np.float32)
    signatures = words[np.minimum(at + 2 + begin // 4, last)] & 0xFFFF
    table = _Table(
        keys,
        np.where(whole, offsets + FRAME.size + begin, offsets),
        np.where(whole, lengths - begin, -1),
        counts,
        labels,
        _formats(signatures),
    )
    for row in np.flatnonzero(~whole).tolist():
        _read_parts(records, table, row)
    return table


def _read_parts(records: RecordFile, table: _Table, row: int) -> None:
    """Fill the row of a record of several parts, whose header may lie in more than one."""
    key, offset = int(table.keys[row]), int(table.starts[row])
    data = records.record(key, offset)
    if len(data) < _HEADER.size:
        raise records.fault(
            key, offset, f"shorter than the {_HEADER.size} bytes that every record begins with"
        )
    count, label, _, _ = _HEADER.unpack_from(data)
    if _HEADER.size + 4 * count > len(data):
        raise records.fault(key, offset, "more labels announced than it has bytes")
    table.counts[row] = count
    table.labels[row] = struct.unpack_from("<f", data, _HEADER.size)[0] if count else label
    extension = image_extension(data[_HEADER.size + 4 * count :]) or ".jpg"
    table.formats[row] = _EXTENSIONS.index(extension)


def _formats(signatures: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    formats = np.zeros(len(signatures), np.uint8)
    for start, number in _STARTS.items():
        formats[signatures == start] = number
    return formats


def _property_remarks(path: Path, identities: int) -> list[str]:
    """Compare the number of identities with that in `property`, if there is one."""
    try:
        fields = path.read_text(encoding="utf-8").strip().split(",")
        classes = int(fields[0])
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        return [f"{path} is not `classes,height,width`"]
    if classes == identities:
        return []
    return [f"{path} says {classes} identities, and the images have {identities}"]
