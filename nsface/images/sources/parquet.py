"""Images in Parquet files as Hugging Face's `datasets` writes them (needs the extra `parquet`).

One column holds the encoded images: a structure with `bytes` (and `path`), or plain bytes. A column `label`,
`identity` or `id`, or else the only other column of numbers or texts, holds the labels. Where the metadata
give the names of the classes, these are the identities.
"""

from __future__ import annotations

import json
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nsface.errors import DataError
from nsface.images.sources.base import Source, readable
from nsface.names import has_image_extension

MAGIC = b"PAR1"
_LABELS = ("label", "identity", "id")
_KEPT_GROUPS = 8


class ParquetSource(Source):
    """The images of one or several files, row by row, named after their path or `FILE/ROW.jpg`; where paths
    repeat, `LABEL/ROW.jpg`.

    The last row groups read are kept: reading in order is fast, in random order slow.

    Raises:
        DataError: the package is not installed, a file cannot be read, or it has no column of images.
    """

    kind = "parquet"
    opened = ("_pyarrow", "_parquet", "_kept", "_lock")

    def __init__(self, paths: Sequence[Path], location: str) -> None:
        try:
            self._open()
        except ImportError as error:
            raise DataError(
                f'{location}: Parquet needs a package more: pip install "nsface[parquet]"'
            ) from error
        self.location = location
        self._paths = paths
        self._groups: list[tuple[Path, int]] = []
        self._starts: list[int] = []
        names: list[str] = []
        self._identities: list[str] = []
        try:
            for path in paths:
                self._add(path, names)
        except (self._pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{location}: not Parquet that can be read ({str(error)[:120]})") from error
        if len(set(names)) < len(names):
            names = [f"{label or 'row'}/{number:08d}.jpg" for number, label in enumerate(self._identities)]
        self.names = names

    def _add(self, path: Path, names: list[str]) -> None:
        file = self._parquet.ParquetFile(path)
        schema = file.schema_arrow
        image, inside = _image_column(schema, path)
        self._column = (image, inside)
        label = _label_column(schema, image)
        classes = _class_names(schema, label)
        for group in range(file.num_row_groups):
            first = len(names)
            self._starts.append(first)
            self._groups.append((path, group))
            rows = file.metadata.row_group(group).num_rows
            paths = _paths(file, group, image) if inside else [None] * rows
            names += [
                readable(name)
                if isinstance(name, str) and has_image_extension(name)
                else f"{path.stem}/{number:08d}.jpg"
                for number, name in enumerate(paths, start=first)
            ]
            labels = file.read_row_group(group, [label]).column(0).to_pylist() if label else [None] * rows
            self._identities += ["" if x is None else readable(str(classes.get(x, x))) for x in labels]
        self._labelled = label is not None

    def _open(self) -> None:
        import pyarrow
        from pyarrow import parquet

        self._pyarrow, self._parquet = pyarrow, parquet
        self._kept: OrderedDict[int, Any] = OrderedDict()
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
        except self._pyarrow.ArrowException as error:
            raise OSError(str(error)[:120]) from error
        if value is None:
            raise OSError("no image in this row")
        return bytes(value)

    def _group(self, number: int) -> Any:
        """The column of encoded images of a row group."""
        with self._lock:
            if number not in self._kept:
                path, group = self._groups[number]
                image, inside = self._column
                column = self._parquet.ParquetFile(path).read_row_group(
                    group, [f"{image}.bytes" if inside else image]
                )
                values = column.column(0).combine_chunks()
                self._kept[number] = values.field("bytes") if inside else values
                if len(self._kept) > _KEPT_GROUPS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(number)
            return self._kept[number]

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


def _image_column(schema: Any, path: Path) -> tuple[str, bool]:
    """Name of the column of images, and whether it is a structure."""
    for field in schema:
        kind = str(field.type)
        if kind.startswith("struct<") and "bytes: binary" in kind:
            return field.name, True
    for field in schema:
        if str(field.type) in ("binary", "large_binary"):
            return field.name, False
    raise DataError(
        f"{path}: no column of images (bytes, or a structure with `bytes`) in {', '.join(schema.names)}"
    )


def _label_column(schema: Any, image: str) -> str | None:
    known = [name for name in _LABELS if name in schema.names]
    others = [f.name for f in schema if f.name != image and ("int" in str(f.type) or str(f.type) == "string")]
    if known:
        return known[0]
    return others[0] if len(others) == 1 else None


def _class_names(schema: Any, label: str | None) -> dict[int, str]:
    """The names of `datasets.ClassLabel`, by number."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return dict(enumerate(features[label]["names"]))
    except (KeyError, ValueError, TypeError):
        return {}


def _paths(file: Any, group: int, image: str) -> list[Any]:
    """The `path` of each image in a row group, None where there is none."""
    table = file.read_row_group(group, [f"{image}.path"])
    if not table.num_columns:
        return [None] * int(file.metadata.row_group(group).num_rows)
    return [value["path"] if value else None for value in table.column(0).to_pylist()]
