"""The embeddings file: what `extract` writes and every protocol reads.

`FILE.npz` holds `names` (unicode, path relative to the image root with `/` and extension), `embeddings`
(float32, N × D, as the network gives them after flip fusion, not normalised) and `meta` (a JSON string).
For more than memory holds, `FILE.npy` with `FILE.names.txt` (one name a line) and `FILE.meta.json` beside
it; rows of the array are then read as they are needed. Of files that others wrote, names and vectors are
enough, float16 and float64 of either byte order too. No pickles, ever.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from nsface.embeddings.archive import read_archive, read_array
from nsface.embeddings.meta import FRAMES
from nsface.errors import DataError, listing, shown
from nsface.files import check_writable, reason, replacing, sync
from nsface.names import prefix_between, renamed, repeated, stem_key
from nsface.row_file import npy_header
from nsface.stored_rows import StoredRows, Vectors

_ROWS = 8192  # looked at together
_ABSENT, _AMBIGUOUS = -1, -2


@dataclass(frozen=True)
class Embeddings:
    """Names and vectors of N images.

    Attributes:
        names: N strings, e.g. `Aaron_Eckhart/Aaron_Eckhart_0001.jpg`.
        vectors: float32, N × D; of a `.npy` file, `StoredRows`, which are read when indexed.
        meta: how they were made (model digest, flip mode, preprocessing, nsface version).
        source: what to call this set in messages.
    """

    names: Sequence[str]
    vectors: Vectors
    meta: dict[str, Any] = field(default_factory=dict)
    source: str = "the embeddings"

    def __post_init__(self) -> None:
        if len(self.vectors.shape) != 2 or len(self.vectors) != len(self.names):
            raise DataError(
                f"{shown(self.source)}: {len(self.names)} names against an array of shape "
                f"{self.vectors.shape}; one row a name is needed"
            )

    @cached_property
    def _by_name(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    @cached_property
    def _by_stem(self) -> dict[str, int]:
        rows: dict[str, int] = {}
        for row, name in enumerate(self.names):
            key = stem_key(name)
            rows[key] = _AMBIGUOUS if key in rows else row
        return rows

    def rows(self, names: Iterable[str]) -> npt.NDArray[np.int64]:
        """Row of each name; a missing or different image extension is tolerated, and decomposed Unicode.

        Raises:
            DataError: some names are missing (the message gives their number and the first ten, and what
                prefix would find them), or fit several images.
        """
        wanted = list(names)
        rows = [self._by_name.get(name, _ABSENT) for name in wanted]
        if _ABSENT in rows:
            rows = [
                self._by_stem.get(stem_key(name), _ABSENT) if row == _ABSENT else row
                for name, row in zip(wanted, rows, strict=True)
            ]
        if min(rows, default=0) < 0:
            self._refuse(wanted, rows)
        return np.asarray(rows, dtype=np.int64)

    def has(self, names: Iterable[str]) -> list[bool]:
        """Whether there is an embedding for each name, found as by `rows`."""
        return [name in self._by_name or stem_key(name) in self._by_stem for name in names]

    def _refuse(self, wanted: Sequence[str], rows: Sequence[int]) -> None:
        missing = sorted({name for name, row in zip(wanted, rows, strict=True) if row == _ABSENT})
        if not missing:
            name = wanted[rows.index(_AMBIGUOUS)]
            fitting = [one for one in self.names if stem_key(one) == stem_key(name)]
            raise DataError(
                f"{shown(self.source)}: '{shown(name)}' may be any of {listing(fitting)}; "
                "write its extension in the list, or leave one of them out"
            )
        remedy = "extract the whole set again"
        if not any(row >= 0 for row in rows):
            remedy = self.example(missing)
        raise DataError(
            f"{shown(self.source)}: {len(missing)} of {len(set(wanted))} images asked for have no embedding: "
            f"{listing(missing)}; {remedy}"
        )

    def example(self, missing: Sequence[str]) -> str:
        """A name that there is, and the prefix that would find those `missing`, where one does."""
        if not len(self.names):
            return "it has no names"
        prefix = prefix_between(self.names, missing)
        remedy = f"; give `--name-prefix {shown(prefix)}`" if prefix else ""
        return f"a name there is '{shown(self.names[0])}'{remedy}"

    def zeros(self) -> list[str]:
        """Names of the images whose embedding is all zeros: they have no direction, and cosine 0 with all."""
        return [
            self.names[start + row]
            for start in range(0, len(self.names), _ROWS)
            for row in np.flatnonzero(~self.vectors[start : start + _ROWS].any(axis=1)).tolist()
        ]

    def notes(self) -> list[str]:
        """Sentences on what makes scores of these embeddings doubtful."""
        if not (zeros := self.zeros()):
            return []
        return [
            f"{shown(self.source)}: {len(zeros)} embeddings are all zeros ({listing(zeros, 3)}); "
            "their cosine with everything is 0"
        ]

    def with_prefix(self, prefix: str) -> Embeddings:
        """The same embeddings, `prefix` taken off their names, or put before them where none begins with it.

        Raises:
            DataError: two images would have one name.
        """
        names = renamed(self.names, prefix)
        if repeated(names) is not None:
            raise DataError(f"{shown(self.source)}: without '{shown(prefix)}' two images have one name")
        return replace(self, names=names)


def check_target(path: str | os.PathLike[str]) -> None:
    """Refuse a path that `save` would refuse, before the work is done.

    Raises:
        DataError: `path` ends in neither `.npz` nor `.npy`.
        NsfaceError: its folder does not exist or cannot be written.
    """
    if Path(path).suffix not in (".npz", ".npy"):
        raise DataError(
            f"{shown(path)}: an embeddings file ends in .npz (or .npy, for more than memory holds)"
        )
    check_writable(path)


def save(path: str | os.PathLike[str], embeddings: Embeddings) -> None:
    """Write `embeddings` to `path` (`.npz`, or `.npy` with its companions), whole or not at all.

    Raises:
        DataError: `path` ends in neither `.npz` nor `.npy`; embeddings are not finite; a name stands twice
            or has two lines.
        NsfaceError: the folder cannot be written.
    """
    check_target(path)
    target = Path(path)
    _check_to_save(embeddings, target)
    if target.suffix == ".npz":
        with replacing(target) as temporary, zipfile.ZipFile(temporary, "w", allowZip64=True) as archive:
            _write(archive, "names", np.asarray(embeddings.names, dtype=np.str_))
            _write(archive, "embeddings", embeddings.vectors)
            _write(archive, "meta", np.asarray(_meta(embeddings)))
    else:
        with replacing(target) as array, _companions(target, embeddings), array.open("wb") as file:
            _write_rows(file, embeddings.vectors)


def save_in_place(path: str | os.PathLike[str], embeddings: Embeddings, rows: Path) -> None:
    """As `save` to an `.npy`, whose content lies in the file `rows` in the same folder and is moved.

    An older file at `path` is removed before its companions are replaced: it never has names that are not
    its own.

    Raises:
        DataError, NsfaceError: as `save`.
    """
    target = Path(path)
    _check_to_save(embeddings, target)
    place = Path(os.path.realpath(target))
    with _companions(target, embeddings):
        place.unlink(missing_ok=True)
    os.replace(rows, place)
    sync(place.parent)


@contextmanager
def _companions(target: Path, embeddings: Embeddings) -> Iterator[None]:
    """Write the companions of an `.npy`; they take their places at the end."""
    with (
        replacing(target.with_suffix(".names.txt")) as names,
        replacing(target.with_suffix(".meta.json")) as described,
    ):
        with names.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            lines.writelines(f"{name}\n" for name in embeddings.names)
        described.write_text(_meta(embeddings) + "\n", encoding="utf-8")
        yield


def _write(archive: zipfile.ZipFile, name: str, array: Vectors | npt.NDArray[Any]) -> None:
    """Add an array to an archive in the bytes that `numpy.savez` writes."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        if isinstance(array, StoredRows) or array.ndim == 2:
            _write_rows(file, array)
        else:
            np.lib.format.write_array(file, array, allow_pickle=False)


def _write_rows(file: IO[bytes], vectors: Vectors) -> None:
    """Write an .npy file of float32, some rows at a time."""
    file.write(npy_header(vectors.shape, "<f4"))
    for start in range(0, len(vectors), _ROWS):
        file.write(np.ascontiguousarray(vectors[start : start + _ROWS], "<f4").data)


def _meta(embeddings: Embeddings) -> str:
    return json.dumps(embeddings.meta, sort_keys=True)


def _check_to_save(embeddings: Embeddings, target: Path) -> None:
    """Raise a DataError about what must not be written."""
    _check_finite(embeddings.names, embeddings.vectors, str(target))
    if (name := repeated(embeddings.names)) is not None:
        raise DataError(
            f"{shown(target)}: not written: several images are called {shown(name)}; "
            "give them names of their own"
        )
    if target.suffix == ".npz":
        return
    broken = [name for name in embeddings.names if "\n" in name or name.endswith("\r")]
    if broken:
        raise DataError(f"{shown(target)}: {shown(broken[0])} has two lines; rename it, or write an .npz")


def load(path: str | os.PathLike[str]) -> Embeddings:
    """Read an embeddings file; rows of a `.npy` stay in the file until they are asked for.

    Raises:
        DataError: missing, not an embeddings file, or its parts disagree.
    """
    source = Path(path)
    try:
        content = read_array(source) if source.suffix == ".npy" else read_archive(source)
    except OSError as error:
        raise DataError(f"{shown(source)}: cannot be read: {reason(error)}") from error
    except ValueError as error:  # a path with a zero byte
        raise DataError(f"{shown(source)}: cannot be read: {error}") from error
    loaded = Embeddings(*content, str(source))
    frames = loaded.meta.get(FRAMES)
    if frames is not None and len(frames) != len(loaded.names):
        raise DataError(
            f"{shown(source)}: {len(loaded.names)} names and {len(frames)} numbers under '{FRAMES}' in "
            "its meta; leave it out, or extract the embeddings again"
        )
    check(loaded)
    return loaded


def check(embeddings: Embeddings) -> None:
    """Refuse embeddings that cannot be scored.

    Raises:
        DataError: a name that occurs twice, or vectors that are not finite.
    """
    if (name := repeated(embeddings.names)) is not None:
        raise DataError(
            f"{shown(embeddings.source)}: '{shown(name)}' occurs twice among its names; keep one of them"
        )
    _check_finite(embeddings.names, embeddings.vectors, embeddings.source)


def _check_finite(names: Sequence[str], vectors: Vectors, source: str) -> None:
    bad: list[int] = []
    for start in range(0, len(vectors), _ROWS):
        sound = np.isfinite(vectors[start : start + _ROWS]).all(axis=1)
        bad += (start + np.flatnonzero(~sound)).tolist()
    if bad:
        raise DataError(
            f"{shown(source)}: {len(bad)} of {len(names)} embeddings are not finite in float32: "
            f"{listing([names[row] for row in bad])}; look at the model's training log, or extract in fp32"
        )
