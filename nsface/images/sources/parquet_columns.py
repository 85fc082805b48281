"""What Parquet files say of themselves: which columns hold images and labels, which files are a split."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nsface.errors import DataError, listing, shown
from nsface.images.sources.asked import FOLDER
from nsface.untrusted import parse_json

_SURE = ("label", "identity")
_NUMBER = "id"  # an identity's number, or a row's
_INDEX = re.compile(r"__index_level_\d+__")  # pandas' row numbers
# the names of `datasets`' own files, and its words for splits in names of files and folders
_SHARD = re.compile(r"(.+?)-\d+-of-\d+(?:-[0-9a-f]+)?")
_SPLITS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip


class Columns(NamedTuple):
    """The columns of use in a file.

    Attributes:
        image: the encoded images; `inside`: as `bytes` of a structure; `has_path`: which has a `path` too.
        labels: those that could hold the labels.
        every: the names of all.
    """

    image: str
    inside: bool
    has_path: bool
    labels: list[str]
    every: list[str]


def columns(types: Any, schema: Any, place: str, asked: str | None) -> Columns:
    """The columns of use in a file with the Arrow schema `schema`.

    Args:
        types: the module `pyarrow.types`.
        place: what to call the file in messages.
        asked: the name of the column of labels, if it was given.

    Raises:
        DataError: no column of images, or a column of labels that holds something else.
    """
    image, inside, has_path = _image_column(types, schema, place)
    names = [name for name in _SURE if name in schema.names]
    if asked is None and len(names) > 1:
        raise DataError(
            f"{place}: {listing(names)}: which of them holds the labels cannot be told. {_say(place)}"
        )
    rest = [field for field in schema if field.name != image and not _INDEX.fullmatch(field.name)]
    wanted = [asked] if asked not in (None, FOLDER) else names
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
    return Columns(image, inside, has_path, labels, list(schema.names))


def label_column(
    files: Sequence[Any], candidates: Sequence[str], asked: str | None, where: str
) -> str | None:
    """The column that holds the labels, None where there is none.

    It is called `label` or `identity`, or `id`, or is the only one that could. A column of another name than
    the first two whose values never repeat numbers its rows, and labels nothing; columns with fractions do
    neither.

    Raises:
        DataError: it is not clear which.
    """
    if asked is not None or (candidates and candidates[0] in _SURE):
        return candidates[0] if asked != FOLDER else None
    candidates = [name for name in candidates if _is_whole(files, name)]
    if _NUMBER in candidates and _repeats(files, _NUMBER):
        return _NUMBER
    others = [name for name in candidates if name != _NUMBER]
    if len(others) == 1 and _repeats(files, others[0]):
        return others[0]
    if not others:
        return None
    raise DataError(
        f"{where}: no column is called `label`, and which one holds the labels cannot be told: "
        f"{listing(list(candidates))}. {_say(where)}"
    )


def _say(where: str) -> str:
    return (
        f"Say it with {where}#label=COLUMN, or {where}#label={FOLDER} where the folder in the image's path "
        "is the identity"
    )


def values(file: Any, column: str) -> Iterator[list[Any]]:
    """The values of a column, a row group at a time; whole numbers that stand there as floats as such.

    Raises:
        DataError: a fraction.
    """
    for group in range(file.num_row_groups):
        found = file.read_row_group(group, [column]).column(0).to_pylist()
        yield [_whole(value, column) if isinstance(value, float) else value for value in found]


def class_names(schema: Any, label: str | None, where: str) -> dict[Any, str]:
    """The names of `datasets.ClassLabel`, by number; none where there are none.

    Raises:
        DataError: metadata of `datasets` that are no JSON.
    """
    text = (schema.metadata or {}).get(b"huggingface")
    found = parse_json(text, f"{where}: its metadata") if text is not None else None
    for key in ("info", "features", label, "names"):
        found = found.get(key) if isinstance(found, dict) else None
    return dict(enumerate(map(str, found))) if isinstance(found, list) else {}


def one_split(shards: Sequence[Path], root: Path, asked: str | None) -> list[Path]:
    """Those of the files `shards` below `root` that are the split `asked`; all, where there is only one.

    Raises:
        DataError: there are several and none was asked for, or another.
    """
    found: dict[str, list[Path]] = {}
    for shard in shards:
        found.setdefault(_split(shard.relative_to(root)), []).append(shard)
    if asked is None and len(found) == 1:
        return list(shards)
    if asked in found:
        return found[asked]
    names = listing(sorted(found))
    if asked is None:
        raise DataError(
            f"{root}: it has several splits, which do not belong together: {names}. Give one: "
            f"{shown(root)}#split={sorted(found)[-1]}"
        )
    raise DataError(f"{root}: no split {shown(asked)}; there is {names}")


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
    """Whether a value stands twice in a file, or a text in two: numbers of rows may begin anew in each."""
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
    """Whether a column can hold labels: something, and no fractions. pandas makes floats of whole numbers
    where some are missing."""
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
