"""What a report reads: run folders, and the results of evaluations in them.

Of a folder that `nsface train` wrote (`nsface.run_folder`) the recipe, the environment, the log, the scores
of validations, the tests of a classification and the record of `nsface overlap --run`; and every `*.json`
that has the key `protocol`, as `eval-*` and `compare` write with `--json`. Curves and the worst errors are in
those results too (`nsface.results.curves`), so neither embeddings nor images are needed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nsface.errors import DataError, shown
from nsface.recipe.keys import held_out
from nsface.report.classification import classification_results
from nsface.results import AllProtocols, Result, read_result
from nsface.run_folder import OverlapEntry, RunFolder
from nsface.untrusted import parse_json

Line = dict[str, float]
_ONLY_A_SEED = re.compile(r"(?:seed|s)?[-_. ]*\d+")


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes:
        name: what to call it: the folder's name, or, where two have the same name or it is only a seed, its
            path as `paths_from_shared` gives it.
        recipe: as resolved.
        text: the recipe as it stands in the folder.
        environment: versions, device, number of images.
        log: its lines.
        results: by file name without `.json`, sorted; those in a file of `eval-all` by that name, a colon and
            their title.
        overlap: what `nsface overlap --run` recorded, an entry a test set that was compared.
        validation: what the network scored while it was trained (`nsface.run_folder.content.ValidationLine`).
        tests: the tests of a classification (`nsface.run_folder.content.TestLine`), whose last and best are a
            result too.
    """

    folder: Path
    name: str
    recipe: dict[str, Any]
    text: str
    environment: dict[str, Any]
    log: list[Line]
    results: dict[str, Result]
    overlap: list[OverlapEntry] = field(default_factory=list)
    validation: list[dict[str, Any]] = field(default_factory=list)
    tests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def held_out(self) -> int:
        """How many identities of the training set were held out of the training."""
        return held_out(self.recipe)


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
        _read(folder, path if names.count(name) > 1 or _ONLY_A_SEED.fullmatch(name) else shown(name))
        for folder, name, path in zip(folders, names, paths_from_shared(resolved), strict=True)
    ]


def paths_from_shared(folders: Sequence[Path]) -> list[str]:
    """`runs/a` and `runs/b/c` for any two folders `…/runs/a` and `…/runs/b/c`."""
    paths = [os.path.abspath(folder) for folder in folders]
    above = os.path.dirname(os.path.commonpath(paths)) if paths else ""
    return [shown(os.path.relpath(path, above)) for path in paths]


def _resolved(folder: Path) -> Path:
    try:
        return folder.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a zero byte
        raise DataError(f"{shown(folder)}: cannot be read: {error}") from error


def _read(folder: Path, name: str) -> Run:
    run = RunFolder(folder)
    text, recipe = run.read_recipe()
    environment = run.read_environment()
    tests = run.read_tests()
    return Run(
        folder=folder,
        name=name,
        recipe=recipe,
        text=text,
        environment=environment,
        log=run.read_log(),
        results=read_results(run) | classification_results(tests),
        overlap=list(run.read_overlap().values()),
        validation=run.read_validation(),
        tests=tests,
    )


def read_results(run: RunFolder, damaged: Callable[[DataError], object] | None = None) -> dict[str, Result]:
    """The results in the run folder, by name of their file (see `Run.results`).

    Args:
        damaged: called with the error of a file that cannot be read, which is then left out.

    Raises:
        DataError: a file cannot be read, and there is no `damaged`.
    """
    found: dict[str, Result] = {}
    for path in sorted(run.path.glob("*.json")):
        try:
            result = read_result(parse_json(run.read_bytes(path), str(path)), path)
        except DataError as error:
            if damaged is None:
                raise
            damaged(error)
            continue
        if result is not None:
            found[path.stem] = result
    return _each(found)


def _each(results: dict[str, Result]) -> dict[str, Result]:
    """`results` with what a file of `eval-all` holds in its place, but what has a file of its own as well."""
    single = {key: result for key, result in results.items() if not isinstance(result, AllProtocols)}
    known = [result.to_json() for result in single.values()]
    for key, result in results.items():
        if isinstance(result, AllProtocols):
            inner = {f"{key}: {title}": one for title, one in result.titled().items()}
            inner |= {f"{key}: comparison {n}": one for n, one in enumerate(result.comparisons or ())}
            single |= {name: one for name, one in inner.items() if one.to_json() not in known}
    return single
