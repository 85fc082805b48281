"""Run folders below other folders."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nsface.errors import DataError, shown
from nsface.files import reason

MOST_FOLDERS = 20_000  # that are looked into: a folder of images has one an identity
DEEPEST = 16  # levels below the folder given


@dataclass(frozen=True)
class Search:
    """What was found.

    Attributes:
        runs: the run folders, in the natural order of their paths: `seed2` before `seed10`.
        notes: a line for each folder that could not be looked into, and one where there were too many.
    """

    runs: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_run_folders(folders: Sequence[Path]) -> Search:
    """The run folders among `folders` and below them.

    Links are followed, and each folder is looked into once, by whichever path it is reached first; hidden
    folders are passed over. Near folders come first, so that those beyond the bounds are the far ones.

    Raises:
        DataError: one of `folders` cannot be looked into.
    """
    found = Search()
    seen: set[tuple[int, int]] = set()
    level = list(folders)
    for depth in range(DEEPEST + 1):
        below: list[Path] = []
        for folder in level:
            if len(seen) == MOST_FOLDERS:
                found.notes.append(
                    f"only {MOST_FOLDERS:,} folders were looked into; give folders nearer to the runs"
                )
                below = []
                break
            try:
                if _is_new(folder, seen):
                    below += _look_into(folder, found)
            except (OSError, ValueError) as error:
                why = reason(error) if isinstance(error, OSError) else str(error)
                if depth == 0:
                    raise DataError(f"{shown(folder)}: cannot be read: {why}") from error
                found.notes.append(f"{shown(folder)}: cannot be looked into: {why}")
        level = below
    found.runs.sort(key=natural)
    return found


def natural(path: Path) -> tuple[list[tuple[int, int, str]], ...]:
    """A key that sorts `seed2` before `seed10`."""
    return tuple(
        [
            (0, int(piece[:1000]), piece) if piece[0] in "0123456789" else (1, 0, piece)
            for piece in re.findall("[0-9]+|[^0-9]+", part)
        ]
        for part in path.parts
    )


def _is_new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    """Whether `folder` is not among those `seen`, which it then is.

    Raises:
        OSError: there is no such folder, or it cannot be reached.
    """
    found = os.stat(folder)
    place = (found.st_dev, found.st_ino)
    if place in seen:
        return False
    seen.add(place)
    return True


def _look_into(folder: Path, found: Search) -> list[Path]:
    """The folders in `folder` that may hold runs; `folder` is added to those `found` where it is one.

    Raises:
        OSError: it cannot be read.
    """
    names, inner = set(), []
    with os.scandir(folder) as entries:
        for entry in entries:
            names.add(entry.name)
            if not entry.name.startswith(".") and _is_folder(entry):
                inner.append(entry.name)
    # a recipe alone may be one that somebody wrote
    if "recipe.yaml" in names and not names.isdisjoint({"environment.json", "checkpoints"}):
        found.runs.append(folder)
        inner = [name for name in inner if name != "checkpoints"]
    return [folder / name for name in sorted(inner)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False
