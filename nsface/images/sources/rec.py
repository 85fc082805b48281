"""Images in an MXNet record file, as InsightFace distributes training sets, read without MXNet.

`train.rec` holds records (see `recordio`), each

    uint32 n, float32 label, uint64 id, uint64 id2, n × float32 labels (in place of `label`), encoded image

little-endian; the identity is the first label. `train.idx` has lines `key<TAB>offset`; without it the key of
a record is its id where all ids differ, and its place in the file, from 0, where they do not. Where record 0
has two labels (a, b) and no image, images are the keys 1 … a − 1, and the keys up to b − 1 are headers of
identities, without images. face2rec2 writes that record last: it is recognised by the numbers that it has.
Where there is none every record is an image. `property` beside it holds `classes,height,width`.

https://github.com/deepinsight/insightface/tree/master/recognition/_datasets_
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.files import reason
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
_BEGINNING = 48  # bytes of a record that hold its header, three labels and the first of its image
_HIGHEST_KEY = 1 << 40
_EXTENSIONS = [".jpg", ".png", ".webp", ".bmp", ".tif"]
_FORMAT_OF_SIGNATURE = {
    0xD8FF: 0,
    0x5089: 1,
    0x4952: 2,
    0x4D42: 3,
    0x4949: 4,
    0x4D4D: 4,
}  # first two bytes → extension


@dataclass
class _Table:
    """The headers of N records, column by column.

    Attributes:
        keys: int64.
        ids: the number that the record itself has, uint64.
        starts, sizes: offset and bytes of the image, int64. For a record of several parts the size is −1,
            and the start is the offset of the record.
        counts: number of labels, int64.
        labels: the first label of each record, float32.
        formats: index into _EXTENSIONS, uint8.
    """

    keys: Integers
    ids: npt.NDArray[np.uint64]
    starts: Integers
    sizes: Integers
    counts: Integers
    labels: npt.NDArray[np.float32]
    formats: npt.NDArray[np.uint8]

    def select(self, chosen: npt.NDArray[np.bool_]) -> _Table:
        return _Table(*(column[chosen] for column in vars(self).values()))


class RecSource(Source):
    """Every image of an MXNet record file, in the order of the keys, named `LABEL/KEY.jpg`.

    Only the place and the label of each image are kept in memory.

    Args:
        path: the `.rec` file; `.idx` and `property` are looked for beside it.

    Raises:
        DataError: a record or a line of the index that cannot be right (the message has key and offset), or
            another number of images than record 0 states.
    """

    kind = "rec"
    per_process = ("_records",)

    def __init__(self, path: Path) -> None:
        self.location = str(path)
        self._records = RecordFile(path)
        index = path.with_suffix(".idx")
        indexed = index.exists()
        try:
            if indexed:
                table = _headers(self._records, *read_index(index))
            else:
                offsets = self._records.scan()
                table = _sorted_by_id(_headers(self._records, np.arange(len(offsets)), offsets))
            self._table = table = self._images(table, index.name if indexed else None)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {reason(error)}") from error
        values, self._classes = np.unique(table.labels, return_inverse=True)
        whole = np.isfinite(values) & (values == np.round(values))
        if not whole.all():
            odd = int(np.flatnonzero(~whole[self._classes])[0])
            key, label = table.keys[odd], table.labels[odd]
            raise DataError(f"{path}: record {key}: label {label} is no whole number, so no identity")
        self._identities = ["" if value < 0 else str(int(value)) for value in values]
        self.names = _Names(table, self._classes, self._identities)
        self.remarks = _property_remarks(path.with_name("property"), len({*self._identities} - {""}))

    def _open(self) -> None:
        self._records = RecordFile(Path(self.location))

    def _images(self, table: _Table, index: str | None) -> _Table:
        """The rows of `table` that are images."""
        header = (table.counts >= 2) & (table.sizes >= 0) & (table.sizes < _SHORTEST_IMAGE)
        if self._has_index_header(table, header):
            return table.select(~header)
        if not len(table.keys) or not header[0] or (bounds := self._bounds(table, 0)) is None:
            return table
        first_header, end = bounds
        images = table.select((table.keys > 0) & (table.keys < end) & ~header)
        # the bounds are float32 and so rounded above 2²⁴: what is an image shows in the records themselves
        if abs(len(images.keys) - (first_header - 1)) > np.spacing(np.float32(first_header)) // 2:
            where = f"{index} lists" if index else "the file holds"
            raise DataError(
                f"{self.location}: record 0 states that there are {first_header - 1} images, and {where} "
                f"{len(images.keys)}; copy or download it again"
            )
        return images

    def _bounds(self, table: _Table, row: int) -> tuple[int, int] | None:
        """(a, b) of the index header, if a record without an image is one."""
        if table.counts[row] != 2 or (row == 0 and table.keys[0] != 0):
            return None
        first, end = struct.unpack("<ff", self._records.read(int(table.starts[row]) - 8, 8))
        return (int(first), int(end)) if 1 <= first <= end < 2**40 else None

    def _has_index_header(self, table: _Table, header: npt.NDArray[np.bool_]) -> bool:
        """Whether a record without an image is an index header, with the numbers of images and headers."""
        images, headers = int((~header).sum()), int(header.sum())
        for row in np.flatnonzero(header)[[0, -1]].tolist() if headers else ():
            if (bounds := self._bounds(table, row)) is not None:
                slack = np.spacing(np.float32(bounds[1])) // 2  # the numbers are float32
                found = images + 1, images + headers
                if all(abs(stated - there) <= slack for stated, there in zip(bounds, found, strict=True)):
                    return True
        return False

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
    """The names `LABEL/KEY.jpg`, made when they are needed: a list of them would fill the memory."""

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


def _sorted_by_id(table: _Table) -> _Table:
    """The records in the order of their ids, where each has its own."""
    ids = np.sort(table.ids)
    if not len(ids) or ids[-1] > _HIGHEST_KEY or (ids[1:] == ids[:-1]).any():
        return table
    order = np.argsort(table.ids)
    return replace(_Table(*(column[order] for column in vars(table).values())), keys=ids.astype(np.int64))


def _headers(records: RecordFile, keys: Integers, offsets: Integers) -> _Table:
    """Read the headers of all records."""

    def require_none(where: npt.NDArray[np.bool_], what: str) -> None:
        if where.any():
            row = int(np.flatnonzero(where)[0])
            raise records.fault(int(keys[row]), int(offsets[row]), what)

    outside = (offsets < 0) | (offsets % 4 != 0) | (offsets + FRAME.size > records.size)
    require_none(outside, f"no record can begin there, in a file of {records.size} bytes")
    words = records.read_beginnings(offsets, _BEGINNING).view("<u4")
    packed = words[:, 1]
    parts, lengths = packed >> 29, (packed & LENGTH).astype(np.int64)
    sound = (words[:, 0] == MAGIC) & (parts <= FIRST) & (offsets + FRAME.size + lengths <= records.size)
    if not sound.all():
        row = int(np.flatnonzero(~sound)[0])
        why = records.problem(
            int(words[row, 0]), int(parts[row]), int(lengths[row]), int(offsets[row]), inside=False
        )
        raise records.fault(int(keys[row]), int(offsets[row]), str(why))

    whole = parts == WHOLE
    require_none(
        whole & (lengths < _HEADER.size),
        f"shorter than the {_HEADER.size} bytes that every record begins with",
    )
    # of a record without labels or without an image, what follows it is read in their place and not used
    counts = np.where(whole, words[:, 2], 0).astype(np.int64)
    begin = _HEADER.size + 4 * counts
    require_none(whole & (begin > lengths), "more labels announced than it has bytes")
    labels = np.where(counts > 0, words[:, 8], words[:, 3]).astype("<u4").view(np.float32)
    places = 8 + counts  # the word at which the image begins
    near = places < words.shape[1]
    signatures = words[np.arange(len(words)), np.where(near, places, 0)]
    far = np.flatnonzero(~near & whole)
    signatures[far] = records.read_beginnings(offsets[far] + FRAME.size + begin[far], 4).view("<u4")[:, 0]
    table = _Table(
        keys,
        words[:, 4:6].copy().view("<u8")[:, 0],
        np.where(whole, offsets + FRAME.size + begin, offsets),
        np.where(whole, lengths - begin, -1),
        counts,
        labels,
        _formats(np.bitwise_and(signatures, np.uint32(0xFFFF))),
    )
    for row in np.flatnonzero(~whole).tolist():
        _read_parts(records, table, row)
    return table


def _read_parts(records: RecordFile, table: _Table, row: int) -> None:
    """Set a row of the table to the header of a record of several parts, which may lie in more than one."""
    key, offset = int(table.keys[row]), int(table.starts[row])
    data = records.record(key, offset)
    if len(data) < _HEADER.size:
        raise records.fault(
            key, offset, f"shorter than the {_HEADER.size} bytes that every record begins with"
        )
    count, label, table.ids[row], _ = _HEADER.unpack_from(data)
    if _HEADER.size + 4 * count > len(data):
        raise records.fault(key, offset, "more labels announced than it has bytes")
    table.counts[row] = count
    table.labels[row] = struct.unpack_from("<f", data, _HEADER.size)[0] if count else label
    extension = image_extension(data[_HEADER.size + 4 * count :]) or ".jpg"
    table.formats[row] = _EXTENSIONS.index(extension)


def _formats(signatures: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    formats = np.zeros(len(signatures), np.uint8)
    for start, number in _FORMAT_OF_SIGNATURE.items():
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
