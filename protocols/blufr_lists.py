"""The lists of BLUFR's trials, as its toolkit gives them.

Its folder `list/lfw` (`gallery_set.txt`, `probe_set.txt`) and its `config/lfw/blufr_lfw_config.mat` hold the
same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nsface.errors import DataError, shown
from nsface.files import reason
from nsface.protocols.lists import Line, blocks, read_lines, shorten
from nsface.results.official import BLUFR_GALLERY as GALLERY
from nsface.results.official import BLUFR_TRIALS as TRIALS
from nsface.untrusted import isolated, limit_memory

FILES = ("gallery_set.txt", "probe_set.txt")
_MAT = "blufr_lfw_config.mat"
_ROOM, _EXPANSION = 1 << 27, 64  # bytes that reading a .mat may take: so many, and so many times the file


@dataclass(frozen=True)
class TrialLists:
    """The lists of one trial.

    Attributes:
        name: `trial01` to `trial10`.
        gallery, probes: names of images; both together are the test set of verification.
    """

    name: str
    gallery: list[str]
    probes: list[str]

    @property
    def images(self) -> list[str]:
        """The test set of verification."""
        return [*self.gallery, *self.probes]


def read_trials(path: str | os.PathLike[str]) -> list[TrialLists]:
    """Read the trials from a folder with `gallery_set.txt` and `probe_set.txt`, or from a MATLAB file, which
    may also be given by its folder.

    Raises:
        DataError: a file that is missing or malformed, or trials that differ between the files.
    """
    source = Path(path)
    if not os.path.isfile(source / FILES[0]):
        if os.path.isfile(source / _MAT):
            source /= _MAT
        elif source.suffix != ".mat":
            raise DataError(
                f"{shown(source)}: neither {FILES[0]} nor {_MAT} in it; give the toolkit's "
                "folder list/lfw, or its blufr_lfw_config.mat"
            )
    sets = _read_mat(source) if source.suffix == ".mat" else [_read_sets(source / name) for name in FILES]
    if len(sets[0]) != len(sets[1]):
        raise DataError(
            f"{shown(source)}: {len(sets[0])} galleries and {len(sets[1])} sets of probes; get both anew"
        )
    trials = []
    for number, (gallery, probes) in enumerate(zip(*sets, strict=True), 1):
        if len({*gallery, *probes}) < len(gallery) + len(probes):
            raise DataError(
                f"{shown(source)}: trial {number}: some images are listed twice; get the lists anew"
            )
        trials.append(TrialLists(f"trial{number:02d}", gallery, probes))
    return trials


def unexpected(trials: Sequence[TrialLists]) -> str | None:
    """A sentence on how the lists differ in size from BLUFR's; None where they do not."""
    galleries = sorted({len(trial.gallery) for trial in trials})
    if len(trials) == TRIALS and galleries == [GALLERY]:
        return None
    sizes = " to ".join(f"{size:,}" for size in dict.fromkeys((galleries[0], galleries[-1])))
    return f"{len(trials)} trials with galleries of {sizes}, not the {TRIALS} with {GALLERY:,} of BLUFR"


def _read_sets(path: Path) -> list[list[str]]:
    """Images of each trial: a number of trials, then for each a count and lines `index, Name_0001.jpg`."""
    lines = read_lines(path)
    trials = lines[0].integer(lines[0].text.strip(), "number of trials")
    return [[_image(line) for line in trial] for trial in blocks(lines, 1, trials, "trial", "images")]


def _image(line: Line) -> str:
    index, name = line.fields(2, "index, Name_0001.jpg", separator=",")
    line.integer(index, "index")
    place = placed(name)
    if place is None:
        raise line.error(f"'{shorten(name)}' is no image of LFW", "a name such as Name_0001.jpg is needed")
    return place


def placed(name: str) -> str | None:
    """`Aaron_Peirsol_0001.jpg` → `Aaron_Peirsol/Aaron_Peirsol_0001.jpg`; None for names of another form."""
    person, _, number = name.rpartition("_")
    return f"{person}/{name}" if person and number[:4].isdigit() and number[4:] == ".jpg" else None


def _read_mat(path: Path) -> list[list[list[str]]]:
    """Galleries and probes from the toolkit's MATLAB file; indices in it start at 1.

    SciPy reads it in a process of its own, which a damaged file may crash, or keep busy.
    """
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise DataError(f"{shown(path)}: cannot be read: {why}") from error
    return isolated(_parse_mat, str(path), _ROOM + _EXPANSION * size, where=str(path))


def _parse_mat(path: str, room: int) -> list[list[list[str]]]:
    """What `_read_mat` gives, with at most `room` bytes of memory more than this process has."""
    from scipy.io import loadmat

    limit_memory(room)
    try:
        with open(path, "rb") as file:
            content = loadmat(file, variable_names=["imageList", "galIndex", "probIndex"])
        names = [placed(str(cell[0])) for cell in content["imageList"].ravel()]
        if None in names:
            raise ValueError("imageList holds other names than Name_0001.jpg")
        cells = [content[key].ravel() for key in ("galIndex", "probIndex")]
        if not all(map(len, cells)):
            raise ValueError("no trials")
        return [
            [[str(names[number - 1]) for number in _numbers(cell, len(names))] for cell in trials]
            for trials in cells
        ]
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot be read: {reason(error)}") from error
    except Exception as error:  # damaged files make SciPy raise anything
        why = shown(str(error).splitlines()[0][:80]) if str(error) else type(error).__name__
        raise DataError(
            f"{shown(path)}: not BLUFR's configuration ({why}); give blufr_lfw_config.mat"
        ) from error


def _numbers(cell: Any, images: int) -> list[int]:
    """Whole numbers from 1 to `images`; MATLAB keeps them as floating-point ones."""
    values = np.asarray(cell).ravel()
    if values.dtype.kind not in "uif" or not len(values) or not ((values >= 1) & (values <= images)).all():
        raise ValueError("indices outside imageList")
    numbers: list[int] = values.astype(np.int64).tolist()
    if not (values == numbers).all():
        raise ValueError("indices that are no whole numbers")
    return numbers
