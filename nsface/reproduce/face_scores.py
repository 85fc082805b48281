"""The scores of networks and ensembles on all lists, each made once and kept in a folder.

    run folder:  lfw.npz, ytf.npz           embeddings, as `nsface extract` makes them
                 lfw-view-2.json, …         results, as `nsface eval-lfw --json` and its like write them
                 against-softmax-….json     comparisons with the baseline of that seed, as of `nsface compare`
                 scored.json                of what each file was made

What is there is made again only where the model, the names of the images or a list has changed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from nsface.device import DeviceChoice, PrecisionChoice
from nsface.embeddings.extraction import extract
from nsface.embeddings.file import Embeddings, load
from nsface.embeddings.fusion import fuse
from nsface.embeddings.overlap import names_digest
from nsface.errors import counted, shown
from nsface.files import digest
from nsface.images.sources import Source
from nsface.protocols.planning import Planned
from nsface.protocols.protocol import Measurement
from nsface.reproduce.face_record import Record, is_comparable, lists_digest, slug_of
from nsface.reproduce.face_sets import FaceSets
from nsface.results import Comparison, Result
from nsface.run_folder import RunFolder

Note = Callable[[str], object]
LFW, YTF = "lfw.npz", "ytf.npz"


@dataclass(frozen=True)
class System:
    """A network, or two as an ensemble.

    Attributes:
        name: its arm, or the name of the ensemble.
        seed: of the (first) network.
        members: the run folders of its networks.
        folder: where its scores are kept.
    """

    name: str
    seed: int
    members: tuple[RunFolder, ...]
    folder: Path


@dataclass(frozen=True)
class Scored:
    """What a system has scored.

    Attributes:
        results: by the title of the lists.
        comparisons: with the baseline of the same seed, by the same title.
        seconds: what extraction and scoring took.
    """

    system: System
    results: dict[str, Result] = field(default_factory=dict)
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Extraction:
    """How embeddings are made: the arguments of `extract`."""

    device: DeviceChoice = "auto"
    precision: PrecisionChoice = "auto"


def score_all(
    systems: Sequence[System], baseline: str, sets: FaceSets, how: Extraction, note: Note
) -> list[Scored]:
    """Score all `systems` on all lists, and compare them with the system called `baseline` of their seed.

    Args:
        note: called with lines about the progress.

    Raises:
        DataError: images or results that cannot be read.
        NsfaceError: a folder cannot be written.
    """
    work = _Work(sets, how, note)
    found = {(one.name, one.seed): Scored(one) for one in systems}
    for seed in dict.fromkeys(one.seed for one in systems):
        own = [one for one in systems if one.seed == seed]
        first = next((one for one in own if one.name == baseline), None)
        for planned in sets.planned:
            work.score(planned, own, first, found)
        work.forget_embeddings()
    return [dataclasses.replace(one, seconds=work.seconds(one.system)) for one in found.values()]


class _Work:
    """The embeddings, and the records of what is done."""

    def __init__(self, sets: FaceSets, how: Extraction, note: Note) -> None:
        self._sets, self._how, self._note = sets, how, note
        self._loaded: dict[Path, Embeddings] = {}
        self._digests: dict[Path, str] = {}
        self._records: dict[Path, Record] = {}
        self._said: set[str] = set()
        self._extracting = 0.0  # seconds so far

    def forget_embeddings(self) -> None:
        self._loaded.clear()

    def seconds(self, system: System) -> float:
        """What was spent on a system: on its scores, and on the embeddings of a network."""
        return self._record(system.folder).seconds

    def score(
        self,
        planned: Planned,
        systems: Sequence[System],
        baseline: System | None,
        found: dict[tuple[str, int], Scored],
    ) -> None:
        """The results of `systems`, of one seed, on one list, and their comparisons with `baseline`."""
        measured: dict[str, Measurement] = {}
        made = 0

        def measure(system: System) -> Measurement:
            if system.name not in measured:
                embeddings = self._embeddings(system, planned)
                if not measured:
                    self._note(f"{planned.title}, seed {system.seed}: scoring")
                measured[system.name] = planned.protocol.measure(embeddings, planned.lists)
                self._say_once([*planned.protocol.notes(planned.lists), *measured[system.name].notes])
            return measured[system.name]

        def result_of(system: System) -> Result:
            return measure(system).result()

        lists, slug = lists_digest(planned), slug_of(planned.title)
        for system in systems:
            record, key = self._record(system.folder), self._key(system, planned, lists)
            scored = found[system.name, system.seed]
            result, fresh = record.get(f"{slug}.json", key, partial(result_of, system))
            made += fresh
            scored.results[planned.title] = result
            if baseline is None or system is baseline or not is_comparable(planned):
                continue

            def compare(one: System = system, other: System = baseline) -> Result:
                names = [self._file_of(own, planned) for own in (one, other)]
                return planned.protocol.compare(measure(one), measure(other)).named(names[0], names[1])

            both = f"{key}{self._key(baseline, planned, lists)}"
            comparison, fresh = record.get(f"against-{baseline.name}-{slug}.json", both, compare)
            made += fresh
            if isinstance(comparison, Comparison):
                scored.comparisons[planned.title] = comparison
        if made:
            self._note(f"{planned.title}, seed {systems[0].seed}: {counted(made, 'file')} of scores")

    def _say_once(self, sentences: Sequence[str]) -> None:
        for sentence in sentences:
            if sentence not in self._said:
                self._said.add(sentence)
                self._note(f"note: {sentence}")

    def _record(self, folder: Path) -> Record:
        if folder not in self._records:
            self._records[folder] = Record(folder, self._clock)
        return self._records[folder]

    def _clock(self) -> float:
        """Seconds, without those of extractions, which may be of another system's network."""
        return time.monotonic() - self._extracting

    def _key(self, system: System, planned: Planned, lists: str) -> str:
        """Tells what a score is made of: networks, names of images, and lists."""
        names = self._frame_names if self._sets.uses_frames(planned) else self._lfw_names
        models = [self._digest(run.model_file) for run in system.members]
        text = json.dumps([models, names, lists])
        return hashlib.sha256(text.encode()).hexdigest()

    def _digest(self, model: Path) -> str:
        if model not in self._digests:
            self._digests[model] = digest(model)
        return self._digests[model]

    @cached_property
    def _lfw_names(self) -> str:
        return names_digest(self._sets.lfw.names)

    @cached_property
    def _frame_names(self) -> str:
        return names_digest(self._frames.names)

    @property
    def _frames(self) -> Source:
        assert self._sets.frames is not None, "lists of frames are planned only where there are frames"
        return self._sets.frames

    def _file_of(self, system: System, planned: Planned) -> str:
        """What a comparison calls a system: its embeddings file, by which the report knows the run."""
        name = YTF if self._sets.uses_frames(planned) else LFW
        return str(system.folder / name)

    def _embeddings(self, system: System, planned: Planned) -> Embeddings:
        frames = self._sets.uses_frames(planned)
        parts = [self._of_run(run, frames) for run in system.members]
        return parts[0] if len(parts) == 1 else fuse(parts)

    def _of_run(self, run: RunFolder, frames: bool) -> Embeddings:
        """The embeddings of a network, extracted if they are not there."""
        path = run.path / (YTF if frames else LFW)
        if path not in self._loaded:
            there = load(path) if path.exists() else None
            if there is None or not self._is_of(there, run, frames):
                self._extract(run, frames, path)
                there = load(path)
            self._loaded[path] = there
        return self._loaded[path]

    def _is_of(self, embeddings: Embeddings, run: RunFolder, frames: bool) -> bool:
        wanted = set(self._templates) - {None} if frames else set(self._sets.lfw.names)
        return embeddings.meta.get("model_digest") == self._digest(run.model_file) and wanted == set(
            embeddings.names
        )

    @cached_property
    def _templates(self) -> list[str | None]:
        return self._sets.templates()

    def _extract(self, run: RunFolder, frames: bool, path: Path) -> None:
        source = self._frames if frames else self._sets.lfw
        templates = self._templates if frames else None
        count = len(source) if templates is None else len(templates) - templates.count(None)
        self._note(f"extracting {count:,} images of {shown(source.location)} with {shown(run.path.name)}")
        began = time.monotonic()
        made = extract(
            str(run.model_file),
            source,
            templates=templates,
            device=self._how.device,
            precision=self._how.precision,
            output=path,
        )
        self._say_once(made.notes)
        seconds = time.monotonic() - began
        self._extracting += seconds
        self._record(run.path).spend(seconds)
