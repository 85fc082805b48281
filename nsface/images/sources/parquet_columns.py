"""The columns and splits of Parquet files: which columns hold images and labels, which files are a split."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nsface.errors import DataError, listing, shown
from nsface.images.sources.selection import FOLDER
from nsface.untrusted import parse_json

_LABEL_NAMES = ("label", "identity")
_ID = "id"  # the number of an identity, or of a row
_INDEX = re.compile(r"__index_level_\d+__")  # pandas' row numbers
# the names of `datasets`' own files, and its words for splits in names of files and folders
_SHARD = re.compile(r"(.+?)-\d+-of-\d+(?:-[0-9a-f]+)?")
_SPLITS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip


class Columns(NamedTuple):
    """The columns of a file.

    Attributes:
        image: name of the column of encoded images.
        is_structure: whether that column is a structure, whose `bytes` are the image.
        has_path: whether the structure has a `path` too.
        labels: names of the columns that could hold the labels.
        names: names of all columns.
    """

    image: str
    is_structure: bool
    has_path: bool
    labels: list[str]
    names: list[str]


def columns(types: Any, schema: Any, place: str, label: str | None) -> Columns:
    """The columns of a file with the Arrow schema `schema`.

    Args:
        types: the module `pyarrow.types`.
        place: what to call the file in messages.
        label: the name of the column of labels that the location selects, if it does.

    Raises:
        DataError: no column of images, or a column of labels that holds something else.
    """
    image, is_structure, has_path = _image_column(types, schema, place)
    known = [name for name in _LABEL_NAMES if name in schema.names]
    if label is None and len(known) > 1:
        raise DataError(
            f"{place}: {listing(known)}: it is not clear which of them holds the labels. {_remedy(place)}"
        )
    rest = [field for field in schema if field.name != image and not _INDEX.fullmatch(field.name)]
    wanted = [label] if label not in (None, FOLDER) else known
    for name in wanted:
        field = next((field for field in rest if field.name == name), None)
        if field is None:
            raise DataError(f"{place}: no column {shown(name)}; there are {listing(schema.names)}")
        if not _is_label(types, field.type) and not types.is_floating(field.type):
            raise DataError(
                f"{place}: the column {shown(name)} holds {shown(field.type)[:60]}; a label is a whole "
                "number or a text"
            )
    labels = wanted or [
        field.name for field in rest if _is_label(types, field.type) or types.is_floating(field.type)
    ]
    return Columns(image, is_structure, has_path, labels, list(schema.names))


def label_column(
    files: Sequence[Any], candidates: Sequence[str], label: str | None, where: str
) -> str | None:
    """The column that holds the labels, None where there is none.

    It is called `label` or `identity`, or `id`, or is the only candidate. A column of another name than the
    first two whose values never repeat holds row numbers, not labels; columns with fractions hold neither.

    Args:
        candidates: names of the columns that could hold the labels.
        label: the name that the location selects, if it does.

    Raises:
        DataError: it is not clear which column holds the labels.
    """
    if label is not None or (candidates and candidates[0] in _LABEL_NAMES):
        return candidates[0] if label != FOLDER else None
    candidates = [name for name in candidates if _is_whole(files, name)]
    if _ID in candidates and _repeats(files, _ID):
        return _ID
    others = [name for name in candidates if name != _ID]
    if len(others) == 1 and _repeats(files, others[0]):
        return others[0]
    if not others:
        return None
    raise DataError(
        f"{where}: no column is called `label`, and it is not clear which one holds the labels: "
        f"{listing(list(candidates))}. {_remedy(where)}"
    )


def _remedy(where: str) -> str:
    return (
        f"Give {where}#label=COLUMN, or {where}#label={FOLDER} where the folder in the image's path "
        "is the identity"
    )


def values(file: Any, column: str) -> Iterator[list[Any]]:
    """The values of a column, a row group at a time; whole numbers that are stored as floats become integers.

    Raises:
        DataError: a value is a fraction.
    """
    for group in range(file.num_row_groups):
        found = file.read_row_group(group, [column]).column(0).to_pylist()
        yield [_whole(value, column) if isinstance(value, float) else value for value in found]


def class_names(schema: Any, label: str | None, where: str) -> dict[Any, str]:
    """The names of `datasets.ClassLabel`, by number; empty where there are none.

    Raises:
        DataError: the metadata of `datasets` are not JSON.
    """
    text = (schema.metadata or {}).get(b"huggingface")
    found = parse_json(text, f"{where}: its metadata") if text is not None else None
    for key in ("info", "features", label, "names"):
        found = found.get(key) if isinstance(found, dict) else None
    return dict(enumerate(map(str, found))) if isinstance(found, list) else {}


def one_split(shards: Sequence[Path], root: Path, split: str | None) -> list[Path]:
    """Those of the files `shards` below `root` that belong to `split`; all, where there is only one split.

    Raises:
        DataError: there are several splits and `split` is None, or there is no such split.
    """
    found: dict[str, list[Path]] = {}
    for shard in shards:
        found.setdefault(_split(shard.relative_to(root)), []).append(shard)
    if split is None and len(found) == 1:
        return list(shards)
    if split in found:
        return found[split]
    names = listing(sorted(found))
    if split is None:
        raise DataError(
            f"{root}: it has several splits, which are separate sets: {names}. Select one: "
            f"{shown(root)}#split={sorted(found)[-1]}"
        )
    raise DataError(f"{root}: no split {shown(split)}; there is {names}")


def _split(path: Path) -> str:
    """The name of the split that a file belongs to: before `-00000-of-00001`, or a word that means one."""
    shard = _SHARD.fullmatch(path.stem)
    parts = [*path.parts[:-1], shard[1] if shard else path.stem]
    words = [word.lower() for part in reversed(parts) for word in re.split(r"[^a-zA-Z]+", part)]
    known = next((_SPLITS[word] for word in words if word in _SPLITS), None)
    return known or (shard[1] if shard else "other")


def _is_label(types: Any, kind: Any) -> bool:
    """Whether values of an Arrow type can be labels: whole numbers and texts of all kinds."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    view = getattr(types, "is_string_view", lambda _: False)  # pyarrow 16 has brought it
    return bool(types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind) or view(kind))


def _is_binary(types: Any, kind: Any) -> bool:
    view = getattr(types, "is_binary_view", lambda _: False)
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or view(kind))


def _image_column(types: Any, schema: Any, place: str) -> tuple[str, bool, bool]:
    """Name of the column of images, whether it is a structure, and whether that has a path."""
    for field in schema:
        if types.is_struct(field.type):
            inside = {part.name: part.type for part in field.type}
            if "bytes" in inside and _is_binary(types, inside["bytes"]):
                return field.name, True, "path" in inside
    for field in schema:
        if _is_binary(types, field.type):
            return field.name, False, False
    raise DataError(
        f"{place}: no column of images (bytes, or a structure with `bytes`) in {listing(schema.names)}"
    )


def _repeats(files: Iterable[Any], column: str) -> bool:
    """Whether a value occurs twice in a file, or a text in two files: row numbers may begin anew in each."""
    texts: set[str] = set()
    for file in files:
        seen: set[Any] = set()
        for part in values(file, column):
            present = [value for value in part if value is not None]
            size = len(seen)
            seen.update(present)
            if len(seen) < size + len(present):
                return True
        here = {value for value in seen if isinstance(value, str)}
        if not texts.isdisjoint(here):
            return True
        texts |= here
    return False


def _is_whole(files: Iterable[Any], column: str) -> bool:
    """Whether a column can hold labels: it has values, and none is a fraction.

    pandas turns whole numbers into floats where some are missing.
    """
    found = False
    for file in files:
        for group in range(file.num_row_groups):
            for value in file.read_row_group(group, [column]).column(0).to_pylist():
                if value is None or value != value:
                    continue
                if not isinstance(value, float):
                    return True
                if not value.is_integer():
                    return False
                found = True
    return found


def _whole(value: float, column: str) -> int | None:
    if value != value:  # pandas' missing value
        return None
    if not value.is_integer():
        raise DataError(f"the column {shown(column)} holds {value}; a label is a whole number or a text")
    return int(value)
