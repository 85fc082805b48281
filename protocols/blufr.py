"""BLUFR (Liao et al. 2014, IJCB): ten trials of large-scale verification and open-set identification on LFW.

Trials are read as the toolkit gives them: from its folder `list/lfw` (`gallery_set.txt`, `probe_set.txt`) or
from `config/lfw/blufr_lfw_config.mat`, which hold the same. A trial's test set is its gallery and its probes
together. Verification compares every image of the test set with every other; identification searches the
gallery, one image each of 1,000 people, for probes of those people and of others.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, shown
from nsface.files import reason
from nsface.metrics.all_pairs import genuine_pairs, tar_over_all_pairs
from nsface.protocols.curves import POINTS, identification_curves
from nsface.protocols.identification import MeasuredTrial, Trial, identify
from nsface.protocols.identification_lists import named
from nsface.protocols.list_files import ListFile, distinct, is_number
from nsface.protocols.lists import Line, blocks, read_lines, shorten
from nsface.protocols.protocol import (
    AnyPath,
    Found,
    Measurement,
    Protocol,
    Start,
    option,
    scored_embeddings,
)
from nsface.results import BlufrRates
from nsface.results.curves import Curves
from nsface.results.measures import AttainedTar
from nsface.results.official import BLUFR_GALLERY as GALLERY
from nsface.results.official import BLUFR_TRIALS as TRIALS
from nsface.results.rates import BlufrTrial, MeanDir, MeanOpenSet, MeanTar
from nsface.untrusted import isolated, limit_memory

TAR_FARS, DIR_FARS = (0.001,), (0.01,)
_FILES = ("gallery_set.txt", "probe_set.txt")
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
    if not os.path.isfile(source / _FILES[0]):
        if os.path.isfile(source / _MAT):
            source /= _MAT
        elif source.suffix != ".mat":
            raise DataError(
                f"{shown(source)}: neither {_FILES[0]} nor {_MAT} in it; give the toolkit's "
                "folder list/lfw, or its blufr_lfw_config.mat"
            )
    sets = _read_mat(source) if source.suffix == ".mat" else [_read_sets(source / name) for name in _FILES]
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


@dataclass(frozen=True)
class MeasuredBlufr(Measurement):
    """What was measured of all trials: the identification of each with its scores, and the result of each."""

    embeddings: Embeddings
    identified: Sequence[MeasuredTrial]
    trials: Sequence[BlufrTrial]
    notes: Sequence[str] = ()

    def result(self) -> BlufrRates:
        return summary(self.trials, self.embeddings)

    def curves(self, name: str, points: int = POINTS) -> Mapping[str, Curves]:
        return {trial.name: identification_curves([trial], points) for trial in self.identified}


@dataclass(frozen=True)
class Blufr(Protocol[list[TrialLists], MeasuredBlufr]):
    """Score EMBEDDINGS of all of LFW on BLUFR's ten trials: mean − std of TAR@FAR=0.1 % and DIR@FAR=1 %.

    In each trial verification compares all images of the test set with each other, some 47 million pairs;
    open-set identification searches a gallery of 1,000 people.

    Example:
      nsface eval-blufr lfw.npz --lists BLUFR/list/lfw
    """

    lists: AnyPath = option("The toolkit's folder list/lfw, or its blufr_lfw_config.mat.")

    @classmethod
    def found_among(cls, files: Sequence[ListFile]) -> Iterator[Found]:
        """MATLAB files, and folders with both lists of the toolkit, which hold the same trials."""
        read: list[tuple[Found, list[TrialLists]]] = []
        for found in _given(cls, files):
            try:
                trials = read_trials(found.lists[0])
            except DataError:
                yield found  # whoever reads it again says what is wrong
                continue
            same = next((place for place, (_, known) in enumerate(read) if known == trials), None)
            if same is None:
                read.append((found, trials))
            else:
                first = read[same][0]
                copies = [*first.copies, *found.lists, *found.copies]
                read[same] = (replace(first, copies=copies), trials)
        yield from (found for found, _ in read)

    def needed(self, embeddings: Embeddings, lists: list[TrialLists]) -> Sequence[str]:
        return [name for trial in lists for name in trial.images]

    def read(self) -> list[TrialLists]:
        return read_trials(self.lists)

    def notes(self, lists: list[TrialLists]) -> Sequence[str]:
        problem = unexpected(lists)
        return (f"{self.lists}: {problem}",) if problem else ()

    def measure(
        self, embeddings: Embeddings, lists: list[TrialLists], start: Start | None = None
    ) -> MeasuredBlufr:
        advance = start(len(lists), "trials") if start else None
        measured = []
        for trial in lists:
            measured.append(measure(embeddings, trial))
            if advance:
                advance(1)
        identified, results = zip(*measured, strict=True)
        return MeasuredBlufr(embeddings, identified, results)


def _given(cls: type[Blufr], files: Sequence[ListFile]) -> Iterator[Found]:
    matlab = (file for file in files if file.head.startswith(b"MATLAB") and file.path.suffix == ".mat")
    for file in distinct(matlab):
        yield Found(cls(file.path), [file.path], copies=file.copies)
    folders = Counter(file.path.parent for file in files if file.path.name in _FILES and _is_sets(file))
    for folder, count in folders.items():
        if count == len(_FILES):
            yield Found(cls(folder), [folder])
        else:
            yield Found(
                None, [folder], problem=f"{' and '.join(_FILES)} are needed, and one of them is missing"
            )


def _is_sets(file: ListFile) -> bool:
    """Whether most lines are `index, Name_0001.jpg`."""

    def is_image(line: str) -> bool:
        index, _, name = line.partition(",")
        return is_number(index.strip()) and _placed(name.strip()) is not None

    return file.mostly(is_image)


def measure(embeddings: Embeddings, trial: TrialLists) -> tuple[MeasuredTrial, BlufrTrial]:
    """TAR at FAR over all pairs of the test set, DIR at FAR and rank 1 over the gallery.

    Raises:
        DataError: images without embedding, or a set without genuine probes or impostors.
    """
    everyone = named(trial.images)
    numbers = {person: number for number, person in enumerate(dict.fromkeys(everyone.people))}
    people = np.array([numbers[person] for person in everyone.people])
    vectors = embeddings.vectors[embeddings.rows(everyone.images)]
    points = tar_over_all_pairs(vectors, people, TAR_FARS)
    gallery, probes = named(trial.gallery), named(trial.probes)
    enrolled = set(gallery.people)
    genuine, impostors = (
        named([i for i, p in zip(probes.images, probes.people, strict=True) if (p in enrolled) == known])
        for known in (True, False)
    )
    if not len(genuine) or not len(impostors):
        raise DataError(f"{trial.name}: probes of people in the gallery and of others are needed")
    found = identify(embeddings, Trial(trial.name, None, (gallery, genuine, impostors)), fars=DIR_FARS)
    result = BlufrTrial(
        name=trial.name,
        images=len(everyone),
        genuine=len(genuine_pairs(people)[0]),
        tar_at_far=tuple(AttainedTar(**asdict(point)) for point in points),
        open_set=found.result.open_set,
    )
    return found, result


def summary(trials: Sequence[BlufrTrial], embeddings: Embeddings | None = None) -> BlufrRates:
    """Mean, standard deviation (ddof=1) and mean − std over trials, which is what BLUFR reports."""
    tars = zip(*(trial.tar_at_far for trial in trials), strict=True)
    dirs = zip(*(trial.open_set.dir for trial in trials if trial.open_set), strict=True)
    return BlufrRates(
        tar_at_far=tuple(MeanTar(far=ps[0].far, **_spread("tar", [p.tar for p in ps])) for ps in tars),
        open_set=MeanOpenSet(
            dir=tuple(MeanDir(far=ps[0].far, **_spread("dir", [p.dir for p in ps])) for ps in dirs)
        ),
        trials=tuple(trials),
        **scored_embeddings(embeddings),
    )


def _spread(name: str, values: list[float]) -> dict[str, Any]:
    mean = float(np.mean(values))
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {name: mean, "std": std, "mean_minus_std": None if std is None else mean - std}


def _read_sets(path: Path) -> list[list[str]]:
    """Images of each trial: a number of trials, then for each a count and lines `index, Name_0001.jpg`."""
    lines = read_lines(path)
    trials = lines[0].integer(lines[0].text.strip(), "number of trials")
    return [[_image(line) for line in trial] for trial in blocks(lines, 1, trials, "trial", "images")]


def _image(line: Line) -> str:
    index, name = line.fields(2, "index, Name_0001.jpg", separator=",")
    line.integer(index, "index")
    place = _placed(name)
    if place is None:
        raise line.error(f"'{shorten(name)}' is no image of LFW", "a name such as Name_0001.jpg is needed")
    return place


def _placed(name: str) -> str | None:
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
        names = [_placed(str(cell[0])) for cell in content["imageList"].ravel()]
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
