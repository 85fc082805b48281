"""The lists of identification in a folder: LFW's people with the subjects, and folders of given trials."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsface.errors import DataError
from nsface.protocols.identification_lists import IMPOSTORS_FILE, TRIAL_FILES
from nsface.protocols.lfw import is_people, read_people
from nsface.protocols.list_files import ListFile, distinct

_NAME = re.compile(r"[^\W\d_]+(?:_[^\W\d_]+)+")


@dataclass(frozen=True)
class People:
    """A list of people, and how many images there are of each; or why it cannot be read."""

    file: ListFile
    images: Mapping[str, int]
    problem: str = ""


def find_people(files: Sequence[ListFile]) -> list[People]:
    """The lists of people, the longest first: `people.txt` before those of View 1."""
    found = []
    for file in distinct(filter(is_people, files)):
        try:
            folds = read_people(file.path)
        except DataError as error:
            found.append(People(file, {}, str(error)))
        else:
            found.append(People(file, {person.name: person.images for fold in folds for person in fold}))
    return sorted(found, key=lambda people: -len(people.images))


def find_subjects(files: Sequence[ListFile], people: Sequence[People]) -> list[ListFile]:
    """The lists of names, one a line, most of which are people with several images; where there is no list
    of people, all lists of names such as `Aaron_Eckhart`."""
    several = {name for one in people for name, images in one.images.items() if images > 1}

    def is_name(line: str) -> bool:
        name = line.strip()
        return name in several if several else bool(_NAME.fullmatch(name))

    return distinct(file for file in files if file.mostly(is_name))


@dataclass(frozen=True)
class TrialFolders:
    """Folders of trials that lie beside each other.

    Attributes:
        missing: the lists that one of them lacks, as `trial03/open_genuine.txt`.
        impostors: whether all have a list of impostors.
        copies: folders with the same trials.
    """

    folders: tuple[Path, ...]
    missing: tuple[str, ...]
    impostors: bool
    copies: tuple[Path, ...]


def find_trials(files: Sequence[ListFile]) -> Iterator[TrialFolders]:
    """Folders with at least three of the four lists of a trial, whose names say which is which."""
    by_folder: dict[Path, dict[str, ListFile]] = defaultdict(dict)
    for file in files:
        if file.path.name in (*TRIAL_FILES, IMPOSTORS_FILE):
            by_folder[file.path.parent][file.path.name] = file
    groups: dict[Path, list[Path]] = defaultdict(list)
    for folder, lists in by_folder.items():
        if len(lists.keys() & set(TRIAL_FILES)) >= len(TRIAL_FILES) - 1:
            groups[folder.parent].append(folder)
    known: dict[str, list[Path]] = defaultdict(list)
    for parent, folders in groups.items():
        known[_digest([by_folder[folder] for folder in folders])].append(parent)
    for first, *copies in known.values():
        folders = groups[first]
        missing = [
            f"{folder.name}/{name}"
            for folder in folders
            for name in TRIAL_FILES
            if name not in by_folder[folder]
        ]
        again = [folder for copy in copies for folder in groups[copy]]
        impostors = all(IMPOSTORS_FILE in by_folder[folder] for folder in folders)
        yield TrialFolders(tuple(folders), tuple(missing), impostors, tuple(again))


def _digest(trials: Sequence[Mapping[str, ListFile]]) -> str:
    """Of the content of all trials, whichever folders they are in."""
    found = [sorted((name, file.digest) for name, file in lists.items()) for lists in trials]
    return hashlib.sha256(repr(sorted(found)).encode()).hexdigest()
