"""Reading embeddings that anybody wrote: names, vectors and meta data, from `.npz` or `.npy`.

Every size is checked against that of the file before anything is allocated.
"""

from __future__ import annotations

import os
import sys
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nsface.embeddings.meta import parse_meta
from nsface.errors import DataError, listing, shown
from nsface.stored_rows import StoredRows, Vectors, check_numbers
from nsface.text import decode
from nsface.untrusted import ArrayHeader, read_array_header

# What compressed arrays may come to: so many times the file, and a little in any case. Embeddings are hardly
# compressible, and names of images shrink to about a tenth.
_EXPANSION, _LITTLE = 16, 1 << 24
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError)
_WRITE_ONE = (
    "`nsface extract MODEL IMAGES -o FILE.npz` writes one, and so does "
    'numpy.savez("FILE.npz", names=NAMES, embeddings=VECTORS) in Python'
)


class Content(NamedTuple):
    """What is in an embeddings file: N names, vectors (N × D) and meta data."""

    names: list[str]
    vectors: Vectors
    meta: dict[str, Any]


def read_archive(path: Path) -> Content:
    """Read a `.npz` with `names` and `embeddings`, and perhaps `meta`.

    Raises:
        DataError: it is something else, damaged, or promises more than it can hold.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        start = file.read(8)
        if not start.startswith(b"PK"):
            raise DataError(f"{shown(path)}: {_instead(path, start)}; {_WRITE_ONE}")
        try:
            with zipfile.ZipFile(file) as archive:
                return _arrays(archive, os.fstat(file.fileno()).st_size, str(path))
        except _DAMAGED as error:
            raise DataError(
                f"{shown(path)}: a damaged .npz archive; copy it again, or extract the embeddings again"
            ) from error


def _instead(path: Path, start: bytes) -> str:
    """What a file is that is no `.npz`."""
    if not start:
        return "an empty file, and no embeddings file (.npz)"
    if start.startswith(b"\x93NUMPY"):
        return "a single array (.npy), which has no names; an .npz holds both"
    if path.suffix.lower() in (".csv", ".tsv", ".txt", ".mat", ".pkl", ".pickle", ".pt", ".h5", ".parquet"):
        return f"embeddings are read from .npz or .npy, not from {path.suffix}"
    return "not an embeddings file (.npz)"


def _arrays(archive: zipfile.ZipFile, size: int, where: str) -> Content:
    members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
    missing = [name for name in ("names", "embeddings") if name not in members]
    if missing:
        there = listing(sorted(members), 5) or "nothing"
        raise DataError(
            f"{shown(where)}: no array '{missing[0]}' in it, only {there}; "
            "an embeddings file has 'names' and 'embeddings'"
        )
    wanted = {name: member for name, member in members.items() if name in ("names", "embeddings", "meta")}
    _check_sizes(wanted, size, where)
    with archive.open(wanted["embeddings"]) as file:
        header = read_array_header(file, wanted["embeddings"].file_size, f"{where}, embeddings")
        check_numbers(header.dtype, header.shape, where)
        with archive.open(wanted["names"]) as names_file:
            names = _names(names_file, wanted["names"].file_size, header.shape[0], where)
        with np.errstate(over="ignore"):  # what float32 cannot hold is found when all are checked
            vectors = _array(file, header).astype(np.float32, copy=False)
    meta: dict[str, Any] = {}
    if "meta" in wanted:
        with archive.open(wanted["meta"]) as file:
            text = _text(file, wanted["meta"].file_size, f"{where}, meta")
        meta = parse_meta(text, f"{where}, meta")
    return Content(names, vectors, meta)


def _check_sizes(members: dict[str, zipfile.ZipInfo], size: int, where: str) -> None:
    """Refuse an archive that would become far larger than it is, or that is not as NumPy writes it."""
    methods = {member.compress_type for member in members.values()}
    if not methods <= {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise DataError(f"{shown(where)}: compressed in a way that NumPy does not know; save it anew")
    whole = sum(member.file_size for member in members.values())
    if whole > (max(_LITTLE, _EXPANSION * size) if zipfile.ZIP_DEFLATED in methods else size):
        raise DataError(
            f"{shown(where)}: its arrays would take {whole:,} bytes, far more than a file of {size:,} bytes "
            "holds; it is damaged, or made to fill the memory"
        )


def _array(file: IO[bytes], header: ArrayHeader) -> npt.NDArray[Any]:
    """The array that follows its header."""
    count = int(np.prod(header.shape, dtype=np.int64))
    result = np.empty(count, header.dtype)
    if not result.nbytes:
        return result.reshape(header.shape)
    view, done = result.view(np.uint8), 0
    while done < result.nbytes:
        part = file.read(min(1 << 20, result.nbytes - done))
        if not part:
            raise EOFError
        view[done : done + len(part)] = np.frombuffer(part, np.uint8)
        done += len(part)
    return result.reshape(header.shape, order="F" if header.fortran_order else "C")


def _names(file: IO[bytes], size: int, count: int, where: str) -> list[str]:
    header = read_array_header(file, size, f"{where}, names")
    if header.dtype.kind not in "US" or len(header.shape) != 1:
        raise DataError(
            f"{shown(where)}: names of type {shown(header.dtype)} and shape {header.shape}; "
            "a list of strings is needed"
        )
    check_count(header.shape[0], count, where)
    if not header.dtype.itemsize:
        raise DataError(f"{shown(where)}: its names are empty; save them as text")
    return _strings(_array(file, header))


def _strings(array: npt.NDArray[Any]) -> list[str]:
    """The strings of an array of text, or of bytes in UTF-8.

    Raises:
        ValueError: numbers in it stand for no letter; Python would fail on such strings later, anywhere.
    """
    if array.dtype.kind == "S":
        return [text.decode("utf-8", "surrogateescape") for text in array.tolist()]
    letters = array.view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
    if letters.size and letters.max() > sys.maxunicode:
        raise ValueError("no text")
    strings: list[str] = array.tolist()
    return strings


def check_count(names: int, vectors: int, where: str) -> None:
    """Raise a DataError unless there are as many names as vectors."""
    if names != vectors:
        raise DataError(f"{shown(where)}: {names} names and {vectors} embeddings; a name a row is needed")


def _text(file: IO[bytes], size: int, where: str) -> str:
    """The one string of an array."""
    header = read_array_header(file, size, where)
    if header.dtype.kind not in "US" or header.shape not in ((), (1,)) or not header.dtype.itemsize:
        raise DataError(f"{shown(where)}: not a JSON text; leave it out, or extract the embeddings again")
    (text,) = _strings(_array(file, header).reshape(-1))
    return text


def read_array(path: Path) -> Content:
    """Read a `.npy` with its companions `.names.txt` (one name a line) and perhaps `.meta.json`.

    Raises:
        DataError: it is something else, damaged, or a companion is missing.
        OSError: it cannot be opened.
    """
    vectors = StoredRows(path)
    names_file, meta_file = path.with_suffix(".names.txt"), path.with_suffix(".meta.json")
    if not os.path.isfile(names_file):
        raise DataError(
            f"{shown(path)}: its names are missing: put {shown(names_file.name)} beside it, "
            f"the {len(vectors)} names in the order of the rows, one a line"
        )
    text = decode(names_file.read_bytes(), str(names_file), surrogates=True)
    names = [name.removesuffix("\r") for name in text.removesuffix("\n").split("\n")] if text else []
    check_count(len(names), len(vectors), f"{names_file} and {path.name}")
    meta: dict[str, Any] = {}
    if os.path.isfile(meta_file):
        meta = parse_meta(meta_file.read_bytes(), str(meta_file))
    return Content(names, vectors, meta)
