"""MXNet's RecordIO: records in a file, one after the other, each found by its offset.

All numbers are little-endian:

    uint32 magic 0xced7230a, uint32 (3 bits: part, 29 bits: length), data, zeros up to a multiple of 4

Part 0 is a whole record. A record whose data hold the magic at a multiple of 4 bytes is cut there into parts
1 (first), 2 (middle) and 3 (last), which are joined with the magic between them.

https://mxnet.apache.org/versions/1.9.1/api/architecture/note_data_loading
"""

from __future__ import annotations

import os
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.files import reason

Integers = npt.NDArray[np.int64]
MAGIC = 0xCED7230A
FRAME = struct.Struct("<II")
LENGTH = (1 << 29) - 1
_RECORDS_AT_ONCE = 1 << 16
WHOLE, FIRST, MIDDLE, LAST = range(4)
_REMEDY = "remove it to find the records without it, in one walk through the .rec file"


class RecordFile:
    """A file of records, open for reading from several threads.

    Raises:
        DataError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {reason(error)}") from error
        status = os.fstat(self._file.fileno())
        self.size = status.st_size
        self.changed = status.st_mtime_ns

    def read(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset`.

        Raises:
            OSError: the file has become shorter since it was opened.
        """
        data = os.pread(self._file.fileno(), count, offset)  # keeps no position: threads can share the file
        if len(data) != count:
            raise OSError(f"the file ends before byte {offset + count}")
        return data

    def read_beginnings(self, offsets: Integers, count: int) -> npt.NDArray[np.uint8]:
        """The first `count` bytes from each offset: uint8, N × `count`, zeros behind the end of the file.

        They are read, not mapped: a mapped file that is cut short ends the process without a message.

        Raises:
            OSError: the file has become shorter since it was opened.
        """
        file, size = self._file.fileno(), self.size
        table = np.empty((len(offsets), count), np.uint8)
        for start in range(0, len(offsets), _RECORDS_AT_ONCE):
            rows = offsets[start : start + _RECORDS_AT_ONCE].tolist()
            data = b"".join([os.pread(file, count, offset).ljust(count, b"\0") for offset in rows])
            table[start : start + _RECORDS_AT_ONCE] = np.frombuffer(data, np.uint8).reshape(-1, count)
        if os.fstat(file).st_size < size:
            raise OSError(f"the file has become shorter than {size} bytes")
        return table

    def fault(self, key: int, offset: int, what: str) -> DataError:
        """The error to raise for record `key`."""
        return DataError(f"{self.path}: record {key} at byte {offset}: {what}; copy or download it again")

    def scan(self) -> Integers:
        """Offsets of all records, by one walk through the file.

        Raises:
            DataError: no magic where a record should begin, a part out of place, or an end inside a record.
        """
        file, size, offset, inside = self._file.fileno(), self.size, 0, False
        offsets: list[int] = []
        while offset < size:
            start = os.pread(file, FRAME.size, offset)
            if len(start) < FRAME.size:
                key = len(offsets) - inside
                raise self.fault(key, offset, f"the file ends after {len(start)} bytes of it")
            magic, packed = FRAME.unpack(start)
            part, length = packed >> 29, packed & LENGTH
            if why := self.problem(magic, part, length, offset, inside):
                raise self.fault(len(offsets) - inside, offset, why)
            if not inside:
                offsets.append(offset)
            inside = part in (FIRST, MIDDLE)
            offset += FRAME.size + (length + 3 & ~3)
        if inside:
            raise self.fault(len(offsets) - 1, offsets[-1], "the file ends before its last part")
        return np.array(offsets, np.int64)

    def problem(self, magic: int, part: int, length: int, offset: int, inside: bool) -> str | None:
        """What is wrong with a record's (or part's) first eight bytes."""
        if magic != MAGIC:
            return f"{magic:#010x} was found where every record has {MAGIC:#010x}"
        if part not in ((MIDDLE, LAST) if inside else (WHOLE, FIRST)):
            return f"part {part} of a record was found where part {'2 or 3' if inside else '0 or 1'} belongs"
        if offset + FRAME.size + length > self.size:
            left = self.size - offset - FRAME.size
            return f"{length} bytes should follow, and the file ends after {left}"
        return None

    def record(self, key: int, offset: int) -> bytes:
        """The data of the record at `offset`, its parts joined.

        Raises:
            DataError: as `scan`.
        """
        start = offset
        parts: list[bytes] = []
        while True:
            if offset + FRAME.size > self.size:
                raise self.fault(key, start, "the file ends before its last part")
            magic, packed = FRAME.unpack(self.read(offset, FRAME.size))
            part, length = packed >> 29, packed & LENGTH
            if why := self.problem(magic, part, length, offset, inside=bool(parts)):
                raise self.fault(key, offset, why)
            parts.append(self.read(offset + FRAME.size, length))
            if part in (WHOLE, LAST):
                return struct.pack("<I", MAGIC).join(parts)
            offset += FRAME.size + (length + 3 & ~3)


def read_index(path: Path) -> tuple[Integers, Integers]:
    """Keys and offsets of an `.idx` file, in the order of the keys.

    Raises:
        DataError: not lines of `key<TAB>offset`, or a key that occurs twice.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # an empty file is refused below
            table: npt.NDArray[Any] = np.loadtxt(path, np.int64, comments=None, ndmin=2, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
    except ValueError as error:
        why = str(error).split(";")[0][:120]
        raise DataError(f"{path}: not lines of key and offset ({why}); {_REMEDY}") from error
    if table.shape[1:] != (2,) or not len(table):
        raise DataError(f"{path}: not lines of key and offset; {_REMEDY}")
    keys, offsets = table[np.argsort(table[:, 0], kind="stable")].T.copy()
    if len(twice := keys[1:][keys[1:] == keys[:-1]]):
        raise DataError(f"{path}: key {twice[0]} occurs twice; {_REMEDY}")
    return keys, offsets
