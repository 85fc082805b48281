"""What the table on faces is scored on: images of LFW, frames of YouTube Faces, and all lists for them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, shown
from nsface.images.fitting import Fit
from nsface.images.pixels import OTHER_SIZE, read_image
from nsface.images.sources import Source, open_source
from nsface.preprocessing import Preprocessing
from nsface.protocols import load_protocol
from nsface.protocols.fglfw import LIKE, Fglfw
from nsface.protocols.list_files import Contents, ListFile, contents, list_file
from nsface.protocols.planning import KNOWN, Findings, Plan, Planned, System, find_among, plan_found
from nsface.results.all_protocols import NotRun
from nsface.results.official import title_of

Path_ = str | os.PathLike[str]
GIVEN = {
    "pairs": "lfw",
    "fglfw": "fglfw",
    "fglfw-like": "fglfw",
    "splits": "ytf",
}  # the option of a list, and its protocol
# The beginning of the title of what the paper and the field measure on these images, and its lists.
EXPECTED = {
    "LFW View 2": "pairs.txt",
    "LFW View 1": "pairsDevTrain.txt and pairsDevTest.txt",
    title_of("lfw-identification"): "people.txt and the names of the subjects, or folders of trials",
    title_of("blufr"): "blufr_lfw_config.mat",
    title_of("fglfw"): "pair_FGLFW.txt",
    title_of("ytf"): "splits.txt",
}


@dataclass(frozen=True)
class FaceSets:
    """Images, and the lists that can be scored on them.

    Attributes:
        lfw, frames: the images of LFW, and the frames of videos; None where there are none.
        planned: the lists.
        not_run: what cannot be scored, or is not there, with the reason.
        notes: sentences on lists that are there twice.
    """

    lfw: Source
    frames: Source | None
    planned: Sequence[Planned]
    not_run: Sequence[NotRun]
    notes: Sequence[str]

    def check_sizes(self, wanted: Preprocessing) -> None:
        """Refuse images that are not as large as the network takes them, by the first of each source.

        Raises:
            DataError: it is unreadable, or of another size.
        """
        places = {self.lfw: 0 if len(self.lfw) else None}
        if self.frames is not None:
            videos = enumerate(self.templates())
            places[self.frames] = next((place for place, video in videos if video is not None), None)
        for source, place in places.items():
            if place is not None:
                try:
                    read_image(source, place, wanted.height, wanted.width, Fit(wanted))
                except DataError as error:
                    remedy = "; `nsface align` makes such images" if str(error).endswith(OTHER_SIZE) else ""
                    raise DataError(f"{shown(source.location)}: {error}{remedy}") from error

    def uses_frames(self, one: Planned) -> bool:
        """Whether `one` is scored on templates of videos."""
        return one.protocol.template_of(one.lists) is not None

    def templates(self) -> list[str | None]:
        """The video of each frame that a list needs, None for the others."""
        found: list[str | None] = []
        wanted = [made for one in self.planned if (made := one.protocol.template_of(one.lists))]
        for name in self.frames.names if self.frames else ():
            found.append(next((video for template_of in wanted if (video := template_of(name))), None))
        return found


def open_sets(
    lfw: Path_, frames: Path_ | None, lists: Path_ | None, given: Mapping[str, Path_ | None]
) -> FaceSets:
    """Open the images, and read all lists.

    Args:
        lfw, frames: places of images.
        lists: a folder of lists, which are known by their content.
        given: single lists, by the keys of `GIVEN`.

    Raises:
        DataError: images or lists that cannot be used, or a single list that is none of its kind.
    """
    single = {option: list_file(Path(path)) for option, path in given.items() if path is not None}
    if lists is None and not single:
        raise DataError("there are no lists to score: give --lists DIR, or --pairs FILE")
    found = _find(lists, list(single.values()))
    for option, file in single.items():
        _check_kind(option, file, found)
    if "fglfw-like" in single:
        found = _called_like(single["fglfw-like"], found)
    opened = open_source(os.fspath(lfw))
    videos = open_source(os.fspath(frames)) if frames is not None else None
    names = [*opened.names, *(videos.names if videos else ())]
    system = System(
        "", Embeddings(names, np.empty((len(names), 0), np.float32), {}, os.fspath(lfw)), False, _none
    )
    made = plan_found(found, lists if lists is not None else ".", system)
    _check_planned(made, single, videos)
    return FaceSets(opened, videos, made.planned, _not_run(made, videos), made.notes)


def _none(planned: Planned) -> Embeddings:
    raise AssertionError(f"{planned.title} is scored by another system")


def _find(lists: Path_ | None, single: Sequence[ListFile]) -> Findings:
    """The lists among single files and those in a folder, each file once."""
    here = contents(lists) if lists is not None else Contents([], [], False)
    known = {os.path.realpath(file.path) for file in single}
    others = [file for file in here.files if os.path.realpath(file.path) not in known]
    found = find_among(replace(here, files=[*single, *others]))
    if not found.lists:
        raise DataError(f"{shown(lists or single[0].path)}: no list of a protocol; those known are {KNOWN}")
    return found


def _check_kind(option: str, file: ListFile, found: Findings) -> None:
    wanted: type[Any] = load_protocol(GIVEN[option])
    if not any(isinstance(one.protocol, wanted) and file.path in one.lists for _, one in found.lists):
        title = title_of(GIVEN[option])
        raise DataError(f"{shown(file.path)}: not a list of {title}; give another --{option}")


def _called_like(file: ListFile, found: Findings) -> Findings:
    """`found` with the list in `file` under the name fglfw-like, whatever its size."""
    protocol = Fglfw(file.path, name=LIKE)
    lists = [
        (name, replace(one, protocol=protocol) if file.path in one.lists else one)
        for name, one in found.lists
    ]
    return replace(found, lists=lists)


def _check_planned(made: Plan, single: Mapping[str, ListFile], frames: Source | None) -> None:
    """What was asked for by name must be scored."""
    paths = {str(file.path) for option, file in single.items() if option != "splits" or frames is not None}
    for one in made.not_run:
        if paths & set(one.lists):
            raise DataError(f"{shown(one.lists[0])}: {one.reason}")
    if frames is not None and not any(one.protocol.template_of(one.lists) for one in made.planned):
        reasons = [one.reason for one in made.not_run if one.title.startswith(title_of("ytf"))]
        why = reasons[0] if reasons else "there is no list for them; give --splits FILE"
        raise DataError(f"{shown(frames.location)}: {why}")
    if not made.planned:
        why = "; ".join(f"{one.title}: {one.reason}" for one in made.not_run[:3])
        raise DataError(f"{shown(made.folder)}: no list can be scored: {why}")


def _not_run(made: Plan, frames: Source | None) -> list[NotRun]:
    """The lists that cannot be scored, and the protocols that have none."""
    found = []
    for one in made.not_run:
        without = frames is None and one.title.startswith(title_of("ytf"))
        found.append(
            replace(one, reason="its frames are not here: give --ytf", missing=None) if without else one
        )
    titles = [*(one.title for one in made.planned), *(one.title for one in made.not_run)]
    found += [
        NotRun(title=title, reason=f"there is no list of it: {lists}")
        for title, lists in EXPECTED.items()
        if not any(one.startswith(title) for one in titles)
    ]
    return found
