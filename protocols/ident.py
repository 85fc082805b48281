"""The protocol of identification: LFW's, given trials, or anybody's own lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, counted, listing, shown
from nsface.metrics.similarity import Similarity
from nsface.protocols.at_threshold import AppliesThreshold, mean_at, trials_at
from nsface.protocols.audit import AUDIT, audit_identification
from nsface.protocols.comparison import compare_identification
from nsface.protocols.curves import POINTS, identification_curves
from nsface.protocols.group_file import GroupFile, read_groups
from nsface.protocols.group_rates import Given
from nsface.protocols.grouped import group_probes, operating_point
from nsface.protocols.identification import (
    FARS,
    Fuse,
    MeasuredTrial,
    Trial,
    identify,
    searched_rows,
    summary,
    transformed,
)
from nsface.protocols.identification_discovery import find_people, find_subjects, find_trials
from nsface.protocols.identification_lists import (
    IMPOSTORS_FILE,
    OpenGallery,
    given_trial,
    lfw_trial,
    own_trial,
    read_subjects,
    unexpected_sentences,
)
from nsface.protocols.lfw import image, read_people
from nsface.protocols.list_files import ListFile
from nsface.protocols.protocol import (
    DIMENSIONS,
    FAR,
    AnyPath,
    Found,
    Measurement,
    OptionsError,
    Protocol,
    Start,
    option,
    scored_embeddings,
)
from nsface.protocols.transforms import Transform
from nsface.results import Identification, IdentificationComparison
from nsface.results.curves import Curves
from nsface.results.groups import Groups
from nsface.results.official import LFW_PEOPLE, TITLES


@dataclass(frozen=True)
class Lists:
    """Trials that are read already, or the folders of trials; the names of all images in LFW, if given; who
    is in which group, if asked for."""

    trials: list[Trial]
    folders: Sequence[AnyPath]
    names: list[str]
    groups: GroupFile | None = None


@dataclass(frozen=True)
class MeasuredIdentification(Measurement):
    """What `protocol` has measured of all trials."""

    protocol: Ident
    embeddings: Embeddings
    trials: Sequence[MeasuredTrial]
    notes: Sequence[str]
    groups: Groups | None = None

    def result(self) -> Identification:
        protocol = self.protocol
        return Identification(
            protocol="identification" if protocol.own else "lfw-identification",
            fuse=protocol.fuse,
            open_gallery=None if protocol.own else protocol.reading,
            similarity=protocol.similarity,
            transform=protocol.transform.name,
            **summary(self.trials),
            at_threshold=mean_at([one.result.at_threshold for one in self.trials]),
            **scored_embeddings(self.embeddings),
            audit=audit_identification(protocol, self.trials, self.embeddings) if protocol.audit else None,
            groups=self.groups,
            curves=identification_curves(self.trials),
        )

    def curves(self, name: str, points: int = POINTS) -> dict[str, Curves]:
        if len(self.trials) == 1:
            return {name: identification_curves(self.trials, points)}
        return {trial.name: identification_curves([trial], points) for trial in self.trials}


@dataclass(frozen=True, kw_only=True)
class Ident(AppliesThreshold, Protocol[Lists, MeasuredIdentification]):
    """Score EMBEDDINGS on identification: Rank-k in the closed set, DIR at FAR in the open set.

    Give --people and --subjects (LFW's protocol, deterministic draw), or --lists once for each trial, or your
    own --gallery, --probes and --impostors.

    Examples:
      nsface eval-ident lfw.npz --people people.txt --subjects lfw_ytf_596.txt
      nsface eval-ident lfw.npz --lists trial01 --lists trial02
      nsface eval-ident faces.npz --gallery staff.txt --probes visits.txt --impostors strangers.txt
    """

    comparable: ClassVar[Mapping[str, str]] = {"people": "people", "subjects": "subjects"}

    people: AnyPath | None = option("LFW's people.txt.", default=None)
    subjects: AnyPath | None = option(
        "The 596 subjects: a list of them, or a copy of YouTube Faces.", default=None
    )
    lists: tuple[AnyPath, ...] = option("A folder with the lists of one trial; repeatable.", default=())
    gallery: AnyPath | None = option("Your own gallery: image or image<TAB>person per line.", default=None)
    probes: AnyPath | None = option("Your own probes, of people in the gallery.", default=None)
    impostors: AnyPath | None = option(
        "Your own impostors, of people who are not in the gallery.", default=None
    )
    open_gallery: OpenGallery | None = option(
        "Open-set gallery of LFW's draw: one image per person, or all but the probes.  [default: single]",
        default=None,
    )
    fuse: Fuse = option("How several gallery images of a person give one score.", default="best")
    similarity: Similarity = option("Score of two embeddings.", default="cosine")
    center: bool = option("Subtract the mean embedding of the images of `fit_on`.", default=False)
    pca: int | None = option(
        "Reduce embeddings to N dimensions by PCA, fitted on the images of `fit_on`.",
        metavar="N",
        bounds=DIMENSIONS,
        default=None,
    )
    fit_on: Embeddings | None = option(
        "Embeddings, by the same model, of images that are not in the test, for `center` and `pca`.",
        default=None,
    )
    far: tuple[float, ...] = option("FAR at which to report DIR; repeatable.", bounds=FAR, default=())
    audit: bool = option(AUDIT, default=False)
    groups: AnyPath | None = option(
        "Add the error rates of groups of people: person<TAB>group per line.", default=None
    )
    garbe_alpha: float = option("Weight of FPIR in the GARBE of `groups`.", bounds=FAR, default=0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.own + (self.subjects is not None) + bool(self.lists) != 1:
            raise OptionsError("give one of: `people` and `subjects`; `lists`; `gallery` and `probes`")
        if self.own and (self.gallery is None or self.probes is None or self.people or self.open_gallery):
            raise OptionsError("`gallery` and `probes` are needed, without `people` and `open_gallery`")
        if len(set(self.lists)) < len(self.lists):
            raise OptionsError("one of `lists` is given twice")
        if self.subjects and self.people is None:
            raise OptionsError("`subjects` needs `people`")
        if self.groups and len(self.lists) > 1:
            raise OptionsError("`groups` are compared at one threshold: give one of `lists`")
        if self.groups and self.own and self.impostors is None:
            raise OptionsError("`groups` need `impostors`: they are compared in the open set")
        if bool(self.transform) != (self.fit_on is not None):
            raise OptionsError("`center` and `pca` need `fit_on`: nothing may be fitted on gallery or probes")

    @property
    def own(self) -> bool:
        """Whether the lists are anybody's own."""
        return any(given is not None for given in (self.gallery, self.probes, self.impostors))

    @property
    def reading(self) -> OpenGallery:
        """How LFW's open gallery is read."""
        return self.open_gallery or "single"

    @property
    def transform(self) -> Transform:
        """What is done to embeddings first."""
        return Transform(self.center, self.pca or 0)

    @classmethod
    def found_among(cls, files: Sequence[ListFile]) -> Iterator[Found]:
        yield from cls._draw_found_among(files)
        people = [one.file for one in find_people(files) if not one.problem]
        for trials in find_trials(files):
            title = f"{TITLES['lfw-identification']}, {counted(len(trials.folders), 'trial')}"
            problem = ""
            if trials.missing:
                problem = f"{listing(list(trials.missing), 3)} is missing"
            elif not people and not trials.impostors:
                problem = f"who the impostors are is not known: give people.txt, or {IMPOSTORS_FILE} in each"
            everyone = people[0].path if people else None
            given = None if problem else cls(people=everyone, lists=trials.folders)
            yield Found(given, trials.folders, title, problem, trials.copies)

    @classmethod
    def _draw_found_among(cls, files: Sequence[ListFile]) -> Iterator[Found]:
        """LFW's deterministic draw, for each list of subjects."""
        people = find_people(files)
        sound = [one.file for one in people if not one.problem]
        subjects = find_subjects(files, people)
        title = TITLES["lfw-identification"]
        yield from (Found(None, [one.file.path], title, one.problem) for one in people if one.problem)
        for names in subjects:
            if not sound:
                yield Found(None, [names.path], title, "there is no list of people: people.txt is missing")
                continue
            protocol = cls(people=sound[0].path, subjects=names.path)
            yield Found(protocol, [sound[0].path, names.path], title, "", [*sound[0].copies, *names.copies])
        if sound and not subjects and len(people[0].images) == LFW_PEOPLE:
            yield Found(None, [sound[0].path], title, "there is no list of the names of the 596 subjects")

    def needed(self, embeddings: Embeddings, lists: Lists) -> Sequence[str]:
        trials = lists.trials or self._given_trials(lists, embeddings)
        both = [named for trial in trials for named in (*(trial.closed or ()), *(trial.open or ()))]
        return [name for named in both for name in named.images]

    def read(self) -> Lists:
        everyone = [person for fold in read_people(self.people) for person in fold] if self.people else []
        trials = []
        if self.gallery and self.probes:
            trials = [own_trial(self.gallery, self.probes, self.impostors)]
        elif self.subjects:
            trials = [lfw_trial(everyone, read_subjects(self.subjects, everyone), self.reading)]
        names = [image(person.name, i) for person in everyone for i in range(1, person.images + 1)]
        return Lists(trials, self.lists, names, read_groups(self.groups) if self.groups else None)

    def measure(
        self, embeddings: Embeddings, lists: Lists, start: Start | None = None
    ) -> MeasuredIdentification:
        trials = self.trials(lists, embeddings)
        notes = [] if self.own else unexpected_sentences(trials, self.reading)
        scored = embeddings
        if self.fit_on:
            scored, known = transformed(embeddings, self.transform, self.fit_on, trials)
            if known:
                some = ", ".join(known[:3])
                notes.append(f"{self.fit_on.source}: {len(known)} of its people are in the test too ({some})")
        advance = start(sum(map(searched_rows, trials)), "rows") if start else None
        measured = [
            identify(
                scored,
                trial,
                fuse=self.fuse,
                similarity=self.similarity,
                fars=self.far or FARS,
                progress=advance,
                optimistic=self.audit,
            )
            for trial in trials
        ]
        if self.calibrated and self.threshold:
            measured, said = trials_at(self.calibrated, str(self.threshold), embeddings, trials, measured)
            notes += said
        groups = self._by_group(lists.groups, trials[0], measured[0], notes) if lists.groups else None
        return MeasuredIdentification(self, scored, measured, notes, groups)

    def _by_group(self, file: GroupFile, trial: Trial, measured: MeasuredTrial, notes: list[str]) -> Groups:
        """The error rates of groups; what `file` lacks is added to the notes."""
        if trial.open is None or measured.open is None:
            raise DataError(f"{shown(trial.name)}: it has no open set, in which groups are compared")
        _, genuine, impostors = trial.open
        notes += file.notes({*genuine.people, *impostors.people}, "the open set")
        if self.calibrated:
            point = self.calibrated.threshold, f"of {self.threshold}"
        else:
            point = operating_point(measured.dir_at_far(), bool(self.far), len(impostors))
        return group_probes(genuine, impostors, measured.open, Given(file, self.garbe_alpha, *point))

    def trials(self, lists: Lists, embeddings: Embeddings) -> list[Trial]:
        """The trials; without a list of impostors these are among the names of `embeddings`."""
        return lists.trials or self._given_trials(lists, embeddings)

    def compare(
        self, first: MeasuredIdentification, second: MeasuredIdentification
    ) -> IdentificationComparison:
        return compare_identification(first.trials[0], second.trials[0], self.far or FARS)

    def _given_trials(self, lists: Lists, embeddings: Embeddings) -> list[Trial]:
        names = lists.names or embeddings.names
        trials = [given_trial(folder, names, self.reading) for folder in lists.folders]
        if len({trial.name for trial in trials}) < len(trials):
            return [
                replace(trial, name=str(folder)) for trial, folder in zip(trials, lists.folders, strict=True)
            ]
        return trials
