"""What a report reads: run folders.

Of a folder that `nsface train` wrote, `recipe.yaml`, `environment.json` and `log.jsonl`; `overlap.json`, if
`nsface overlap --run` left one; and every `*.json` that has the key `protocol`, as the `eval-*` and `compare`
write with `--json`. Curves and the worst errors are in those results too (`nsface.report.curves`), so neither
embeddings nor images are needed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nsface.errors import DataError
from nsface.files import reason

Line = dict[str, float]
_NEEDED = {"head", "network"}  # of a recipe
_LOGGED = {"step"}


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
    overlap: list[dict[str, Any]] = field(default_factory=list)


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read run folders.

    Raises:
        DataError: a folder twice, no run folder, or a file in one that cannot be read.
    """
    resolved = [folder.resolve() for folder in folders]
    for number, folder in enumerate(resolved):
        if folder in resolved[:number]:
            raise DataError(f"{folders[number]}: given twice; give each run once")
    names = [folder.name for folder in resolved]
    return [
        _read(folder, name if names.count(name) == 1 else str(folder))
        for folder, name in zip(folders, names, strict=True)
    ]


def _read(folder: Path, name: str) -> Run:
    text = _text(folder / "recipe.yaml", folder)
    try:
        recipe = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"{folder / 'recipe.yaml'}: not valid YAML; train again") from error
    if not (isinstance(recipe, dict) and recipe.keys() >= _NEEDED):
        raise DataError(f"{folder / 'recipe.yaml'}: not the recipe of a run; train again")
    environment = _table(folder / "environment.json", folder)
    results = {}
    for path in sorted(folder.glob("*.json")):
        result = _json(path, _text(path, folder))
        if isinstance(result, dict) and "protocol" in result:
            results[path.stem] = result
    record = folder / "overlap.json"
    overlap = list(_table(record, folder).values()) if record.exists() else []
    return Run(folder, name, recipe, text, environment, _log(folder), results, overlap)


def _log(folder: Path) -> list[Line]:
    """The lines of the log; a last one without an end is being written just now."""
    path = folder / "log.jsonl"
    lines = _text(path, folder).splitlines(keepends=True)
    log = [_json(path, line, number) for number, line in enumerate(lines, 1) if line.endswith("\n")]
    for number, line in enumerate(log, 1):
        if not (isinstance(line, dict) and line.keys() >= _LOGGED):
            raise DataError(f"{path}:{number}: not a line that `nsface train` logs; remove it")
    return log


def _table(path: Path, folder: Path) -> dict[str, Any]:
    """The JSON object in `path`."""
    content = _json(path, _text(path, folder))
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a JSON object; make the file again")
    return content


def _text(path: Path, folder: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(
            f"{folder}: no {path.name} in it; give a folder that `nsface train --out` made"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "not UTF-8"
        raise DataError(f"{path}: cannot be read: {why}") from error


def _json(path: Path, text: str, line: int | None = None) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        where = path if line is None else f"{path}:{line}"
        raise DataError(f"{where}: not valid JSON ({error}); make the file again") from error
