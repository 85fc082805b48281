"""Images in Parquet files as Hugging Face's `datasets` writes them (needs the extra `parquet`).

One column holds the encoded images: a structure with `bytes` (and `path`), or plain bytes. A column `label`,
`identity` or `id`, or else the only other column of numbers or texts, holds the labels. Where the metadata
give the names of the classes, these are the identities.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nsface.errors import DataError, listing, shown
from nsface.images.sources.base import Source, identity_of, printable
from nsface.images.sources.parquet_columns import (
    Columns,
    class_names,
    columns,
    label_column,
    one_split,
    values,
)
from nsface.names import has_image_extension, plain

__all__ = ["MAGIC", "ParquetSource", "is_parquet", "one_split"]

MAGIC = b"PAR1"
_CACHED_GROUPS = 8


class ParquetSource(Source):
    """The images of one or several files, row by row, named after their path or `ROW.jpg`; where paths
    repeat, `LABEL/ROW.jpg`. Without a column of labels the folder in the path is the identity.

    The row groups that were read last are cached: reading in order is fast, in random order slow.

    Args:
        paths: the files of one split.
        location: what to call the set in messages.
        label: the column of labels; FOLDER: the identity is the folder in the path; None: the column is found
            by its name and type. A column `id` whose values never repeat holds row numbers, not labels.

    Raises:
        DataError: the package is not installed, a file cannot be read, it has no column of images, it is not
            clear which column holds the labels (they are named), or files that do not fit each other.
    """

    kind = "parquet"
    per_process = ("_pyarrow", "_parquet", "_cached", "_lock")

    def __init__(self, paths: Sequence[Path], location: str, label: str | None = None) -> None:
        try:
            self._open()
        except ImportError as error:
            raise DataError(
                f'{location}: Parquet needs another package: pip install "nsface[parquet]"'
            ) from error
        self.location = location
        self._groups: list[tuple[Path, int]] = []
        self._starts: list[int] = []
        self._failures = (self._pyarrow.ArrowException, OSError, ValueError, OverflowError, MemoryError)
        try:
            self._read(paths, label)
        except self._failures as error:
            raise DataError(f"{location}: not Parquet that can be read ({shown(error)[:120]})") from error

    def _read(self, paths: Sequence[Path], label: str | None) -> None:
        files = [self._parquet.ParquetFile(path) for path in paths]
        self._columns = self._common_columns(files, paths, label)
        self._add_groups(files, paths)
        column = label_column(files, self._columns.labels, label, self.location)
        self._labelled = column is not None
        self._identities: list[str] = []
        for file in files if column is not None else ():
            classes = class_names(file.schema_arrow, column, self.location)
            for part in values(file, str(column)):
                self._identities += [identity_of(classes.get(value, value)) for value in part]
        names = self._names(files)
        if self._labelled and len(self._identities) != len(names):
            raise ValueError(f"{len(self._identities)} labels for {len(names)} images")
        if len(set(names)) < len(names):
            folders = self._identities or [name.rpartition("/")[0] for name in names]
            names = [f"{folder or 'row'}/{row:08d}.jpg" for row, folder in enumerate(folders)]
        self.names = names

    def _common_columns(self, files: list[Any], paths: Sequence[Path], label: str | None) -> Columns:
        """The columns that are read, which must be the same in all files."""
        found = [
            columns(self._pyarrow.types, file.schema_arrow, str(path), label)
            for file, path in zip(files, paths, strict=True)
        ]
        first = found[0]
        for path, other in zip(paths, found, strict=True):
            if (other.image, other.is_structure, other.labels) != (
                first.image,
                first.is_structure,
                first.labels,
            ):
                raise DataError(
                    f"{self.location}: the columns of {path.name} ({listing(other.names)}) differ from "
                    f"those of {paths[0].name} ({listing(first.names)}); give the files of one set"
                )
        return first._replace(has_path=all(one.has_path for one in found))

    def _add_groups(self, files: list[Any], paths: Sequence[Path]) -> None:
        total = 0
        for file, path in zip(files, paths, strict=True):
            size = path.stat().st_size
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if not 0 <= rows <= size:
                    raise ValueError(f"{rows} rows in a file of {size} bytes")
                self._starts.append(total)
                self._groups.append((path, group))
                total += rows

    def _names(self, files: list[Any]) -> list[str]:
        names: list[str] = []
        for file in files:
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                paths = _paths(file, group, self._columns.image) if self._columns.has_path else [None] * rows
                if len(paths) != rows:
                    raise ValueError(f"{len(paths)} paths in {rows} rows")
                names += [
                    printable(plain(name))
                    if isinstance(name, str) and has_image_extension(name)
                    else f"{number:08d}.jpg"
                    for number, name in enumerate(paths, start=len(names))
                ]
        return names

    def _open(self) -> None:
        import pyarrow
        from pyarrow import parquet

        self._pyarrow, self._parquet = pyarrow, parquet
        self._cached: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def labelled(self) -> bool:
        return self._labelled

    @property
    def identities(self) -> Sequence[str]:
        return self._identities if self._labelled else super().identities

    def read(self, index: int) -> bytes:
        group = bisect_right(self._starts, index) - 1
        try:
            value = self._group(group)[index - self._starts[group]].as_py()
        except (*self._failures, IndexError) as error:
            raise OSError(shown(error)[:120]) from error
        if value is None:
            raise OSError("no image in this row")
        return bytes(value)

    def _group(self, number: int) -> Any:
        """The column of encoded images of a row group."""
        with self._lock:
            if number not in self._cached:
                path, group = self._groups[number]
                image, is_structure = self._columns.image, self._columns.is_structure
                column = self._parquet.ParquetFile(path).read_row_group(
                    group, [f"{image}.bytes" if is_structure else image]
                )
                values = column.column(0).combine_chunks()
                self._cached[number] = values.field("bytes") if is_structure else values
                if len(self._cached) > _CACHED_GROUPS:
                    self._cached.popitem(last=False)
            self._cached.move_to_end(number)
            return self._cached[number]

    def stamps(self) -> Iterable[tuple[str, int]]:
        for number, (path, _) in enumerate(self._groups):
            status = path.stat()
            stop = self._starts[number + 1] if number + 1 < len(self._starts) else len(self.names)
            for row in range(self._starts[number], stop):
                yield f"{row} {status.st_size}", status.st_mtime_ns


def is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


def _paths(file: Any, group: int, image: str) -> list[Any]:
    """The `path` of each image in a row group, None where there is none."""
    column = file.read_row_group(group, [f"{image}.path"]).column(0)
    return [value["path"] if value else None for value in column.to_pylist()]
