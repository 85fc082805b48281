"""What a report reads: run folders.

Of a folder that `nsface train` wrote, `recipe.yaml`, `environment.json` and `log.jsonl`; `overlap.json`, if
`nsface overlap --run` left one; and every `*.json` that has the key `protocol`, as the `eval-*` and `compare`
write with `--json`. Curves and the worst errors are in those results too (`nsface.report.curves`), so neither
embeddings nor images are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nsface.embeddings.overlap_record import Entry, read_record
from nsface.errors import DataError, RecipeError, shown
from nsface.files import reason
from nsface.recipe.text import read_yaml
from nsface.report.checked import checked
from nsface.report.results import Environment, LogLine, Recipe, read_result
from nsface.untrusted import parse_json

Line = dict[str, float]
_LONGEST_RECIPE = 1 << 20  # characters
_MOST_ALIASED = 10  # values, each of which may be long


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes:
        name: what to call it: the folder's name, or its path where two have the same name.
        recipe: as resolved.
        text: the recipe as it stands in the folder.
        environment: versions, device, number of images.
        log: its lines.
        results: by file name without `.json`, sorted.
        overlap: what `nsface overlap --run` recorded, an entry a test set that was compared.
    """

    folder: Path
    name: str
    recipe: dict[str, Any]
    text: str
    environment: dict[str, Any]
    log: list[Line]
    results: dict[str, dict[str, Any]]
    overlap: list[Entry] = field(default_factory=list)


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read run folders.

    Raises:
        DataError: a folder twice, no run folder, or a file in one that cannot be read.
    """
    resolved = [_resolved(folder) for folder in folders]
    for number, folder in enumerate(resolved):
        if folder in resolved[:number]:
            raise DataError(f"{shown(folders[number])}: given twice; give each run once")
    names = [folder.name for folder in resolved]
    return [
        _read(folder, shown(name if names.count(name) == 1 else folder))
        for folder, name in zip(folders, names, strict=True)
    ]


def _resolved(folder: Path) -> Path:
    try:
        return folder.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a zero byte
        raise DataError(f"{shown(folder)}: cannot be read: {error}") from error


def _read(folder: Path, name: str) -> Run:
    text = _text(folder / "recipe.yaml", folder)
    recipe = _recipe(text, folder / "recipe.yaml")
    path = folder / "environment.json"
    environment = checked(Environment, parse_json(_text(path, folder), str(path)), str(path), "train again")
    results = {}
    for path in sorted(folder.glob("*.json")):
        result = read_result(_text(path, folder), path)
        if result is not None:
            results[path.stem] = result
    return Run(
        folder, name, recipe, text, environment, _log(folder), results, [*read_record(folder).values()]
    )


def _recipe(text: str, path: Path) -> dict[str, Any]:
    """The resolved recipe of a run; nothing in it refers to other parts of it so often that it grows."""
    if len(text) > _LONGEST_RECIPE:
        raise DataError(f"{shown(path)}: {len(text):,} characters are no recipe; train again")
    try:
        recipe = read_yaml(text, _MOST_ALIASED)[1]
    except RecipeError as error:
        raise DataError(f"{shown(path)}: {shown(error)}; train again") from error
    return checked(Recipe, recipe, str(path), "train again")


def _log(folder: Path) -> list[Line]:
    """The lines of the log; a last one without an end is being written just now."""
    path = folder / "log.jsonl"
    lines = _text(path, folder).split("\n")[:-1]
    return [
        checked(LogLine, parse_json(line, f"{path}:{number}"), f"{path}:{number}", "remove the line")
        for number, line in enumerate(lines, 1)
    ]


def _text(path: Path, folder: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            f"{shown(folder)}: no {shown(path.name)} in it; give a folder that `nsface train --out` made"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "not UTF-8"
        raise DataError(f"{shown(path)}: cannot be read: {why}") from error
