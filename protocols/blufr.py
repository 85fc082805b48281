"""BLUFR (Liao et al. 2014, IJCB): ten trials of large-scale verification and open-set identification on LFW.

A trial's test set is its gallery and its probes together. Verification compares every image of the test set
with every other; identification searches the gallery, one image each of 1,000 people, for probes of those
people and of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError
from nsface.metrics.all_pairs import genuine_pairs, tar_over_all_pairs
from nsface.protocols.blufr_lists import FILES, TrialLists, placed, read_trials, unexpected
from nsface.protocols.curves import POINTS, identification_curves
from nsface.protocols.identification import MeasuredTrial, Trial, identify
from nsface.protocols.identification_lists import named
from nsface.protocols.list_files import ListFile, distinct, is_number
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
from nsface.results.rates import BlufrTrial, MeanDir, MeanOpenSet, MeanTar

TAR_FARS, DIR_FARS = (0.001,), (0.01,)


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
    folders = Counter(file.path.parent for file in files if file.path.name in FILES and _is_sets(file))
    for folder, count in folders.items():
        if count == len(FILES):
            yield Found(cls(folder), [folder])
        else:
            yield Found(
                None, [folder], problem=f"{' and '.join(FILES)} are needed, and one of them is missing"
            )


def _is_sets(file: ListFile) -> bool:
    """Whether most lines are `index, Name_0001.jpg`."""

    def is_image(line: str) -> bool:
        index, _, name = line.partition(",")
        return is_number(index.strip()) and placed(name.strip()) is not None

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
