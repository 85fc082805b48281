"""Finding a threshold that may be applied to other data, for a wanted FMR or FPIR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nsface import __version__
from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, shown
from nsface.metrics.all_pairs import genuine_pairs
from nsface.metrics.shared_people import shared_people
from nsface.metrics.similarity import Similarity, pair_scores
from nsface.metrics.threshold import AllImpostors, Calibrated, Impostors, ListedImpostors, calibrated
from nsface.protocols import lfw, pairs
from nsface.protocols.at_threshold import (
    file_digest,
    interval_of,
    names_digest,
    provenance,
    strangers,
    trial_digest,
    unidentified,
)
from nsface.protocols.ident import Ident, Lists
from nsface.protocols.identification import Named, Trial, identify
from nsface.protocols.lists import read_lines
from nsface.protocols.protocol import AnyPath, Measurement, OptionsError, Protocol, Start, option
from nsface.protocols.scored_pairs import ScoredPairs
from nsface.protocols.trials import Trials, identity, numbered
from nsface.protocols.verification import verify
from nsface.results.curves import Curves
from nsface.results.threshold import Threshold

METHOD = "Clopper and Pearson, for as many impostors as the people in them are worth"
INDEPENDENT = "Clopper and Pearson, impostors as independent"
RATE = (0.0, 1.0)


@dataclass(frozen=True)
class CalibrationLists:
    """What a threshold is found on: a list of pairs, lists of identification, or all images (neither)."""

    pairs: Trials | None = None
    identification: Lists | None = None


@dataclass(frozen=True)
class MeasuredThreshold(Measurement):
    """A threshold with its notes."""

    threshold: Threshold
    notes: tuple[str, ...]

    def result(self) -> Threshold:
        return self.threshold

    def curves(self, name: str, points: int) -> Mapping[str, Curves]:
        return {}


@dataclass(frozen=True, kw_only=True)
class Calibrate(Protocol[CalibrationLists, MeasuredThreshold]):
    """Find the lowest threshold at which EMBEDDINGS do not exceed a wanted rate of errors.

    With --fmr it is the false match rate over the pairs of different people in a list (--pairs), or over all
    pairs of the images (--all-pairs). With --fpir it is the false positive identification rate in a gallery of
    --gallery-size people, from lists as of eval-ident, or from images drawn at random.

    The upper bound says how high the rate may be on other people. With --guarantee the bound itself stays at
    or below the wanted rate, at the price of a higher threshold. `--threshold FILE` of the eval-* applies it.

    Examples:
      nsface calibrate lfw.npz --pairs pairs.txt --fmr 1e-2 -o threshold.json
      nsface calibrate faces.npz --all-pairs --fmr 1e-4 --guarantee -o threshold.json
      nsface calibrate faces.npz --fpir 0.01 --gallery-size 500 -o threshold.json
    """

    fmr: float | None = option("The wanted false match rate, such as 1e-3.", bounds=RATE, default=None)
    pairs: AnyPath | None = option("A list of pairs, as of eval-lfw or eval-pairs.", default=None)
    all_pairs: bool = option("All pairs of images; a person is the folder of a name.", default=False)
    fpir: float | None = option(
        "The wanted false positive identification rate, such as 0.01.", bounds=RATE, default=None
    )
    gallery_size: int | None = option(
        "People in the gallery.  [default: those of the lists]", metavar="N", bounds=(1, 10**9), default=None
    )
    people: AnyPath | None = option("For `fpir`: LFW's people.txt, with `subjects`.", default=None)
    subjects: AnyPath | None = option("For `fpir`: the 596 subjects of LFW identification.", default=None)
    lists: AnyPath | None = option("For `fpir`: a folder with the lists of one trial.", default=None)
    gallery: AnyPath | None = option(
        "For `fpir`: your own gallery, with `probes`, `impostors`.", default=None
    )
    probes: AnyPath | None = option("For `fpir`: your own probes.", default=None)
    impostors: AnyPath | None = option("For `fpir`: your own impostors.", default=None)
    confidence: float = option("Confidence of the upper bound.", bounds=(0.5, 0.9999), default=0.95)
    guarantee: bool = option(
        "Choose the threshold so that the upper bound does not exceed the wanted rate.", default=False
    )
    similarity: Similarity = option("Score of two embeddings.", default="cosine")

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.fmr is None) == (self.fpir is None):
            raise OptionsError("give one of `fmr` and `fpir`")
        if self.rate in RATE:
            raise OptionsError(f"a wanted rate lies between 0 and 1; {self.rate:g} does not")
        if self.fmr is not None and (self.pairs is not None) == self.all_pairs:
            raise OptionsError("`fmr` needs one of `pairs` and `all_pairs`")
        if self.all_pairs and self.similarity != "cosine":
            raise OptionsError("`all_pairs` are compared by cosine only")
        given = self._identification()
        if self.fmr is not None and (given or self.gallery_size):
            raise OptionsError("lists of identification and `gallery_size` go with `fpir`")
        if self.fpir is not None and (self.pairs is not None or self.all_pairs):
            raise OptionsError("`fpir` takes lists of identification, not `pairs` and `all_pairs`")
        if self.fpir is not None and not given and self.gallery_size is None:
            raise OptionsError("`fpir` needs lists of identification, or `gallery_size`")
        if given:
            ident = self._ident()
            if ident.own and self.impostors is None:
                raise OptionsError("`fpir` needs `impostors`: people who are not in the gallery")

    @property
    def rate(self) -> float:
        """What is wanted."""
        return float(self.fmr if self.fmr is not None else self.fpir or 0)

    def read(self) -> CalibrationLists:
        if self.pairs is not None:
            return CalibrationLists(pairs=read_any_pairs(self.pairs))
        return CalibrationLists(identification=self._ident().read() if self._identification() else None)

    def measure(
        self, embeddings: Embeddings, lists: CalibrationLists, start: Start | None = None
    ) -> MeasuredThreshold:
        if lists.pairs:
            found, notes = self._on_pairs(embeddings, lists.pairs), lists.pairs.notes()
        else:
            notes = []
            found = self._on_all_pairs(embeddings) if self.fmr else self._on_gallery(embeddings, lists)
        made = Threshold(
            similarity=self.similarity,
            guaranteed=self.guarantee,
            target=self.rate,
            confidence=self.confidence,
            embeddings=embeddings.source,
            embeddings_sha256=names_digest(embeddings),
            **found,
            **provenance(embeddings.meta),
            nsface=__version__,
        )
        return MeasuredThreshold(made, (*notes, *made.notes()))

    def _on_pairs(self, embeddings: Embeddings, trials: Trials) -> dict[str, Any]:
        scored: ScoredPairs = verify("pairs", embeddings, trials, similarity=self.similarity)
        same, people = trials.same, trials.people
        impostors = ListedImpostors(
            scored.scores[~same], (people[0][~same], people[1][~same]) if people else None
        )
        found = self._found(impostors, str(self.pairs))
        missed = scored.scores[same] < found.threshold
        return {
            "kind": "fmr",
            **_said(impostors, found),
            "genuine": len(missed),
            "fnmr": float(missed.mean()),
            "fnmr_interval": interval_of(missed, scored.shared(same)),
            "list": str(self.pairs),
            "list_sha256": file_digest(str(self.pairs)),
        }

    def _on_all_pairs(self, embeddings: Embeddings) -> dict[str, Any]:
        person = numbered(_people(embeddings))
        vectors = np.asarray(embeddings.vectors[:])
        impostors = AllImpostors(vectors, person)
        found = self._found(impostors, embeddings.source)
        left, right = genuine_pairs(person)
        said = {"kind": "fmr", **_said(impostors, found), "genuine": len(left)}
        if len(left):
            missed = pair_scores(vectors, left, right) < found.threshold
            ends = interval_of(missed, shared_people(person[left]))
            said |= {"fnmr": float(missed.mean()), "fnmr_interval": ends}
        return said

    def _on_gallery(self, embeddings: Embeddings, lists: CalibrationLists) -> dict[str, Any]:
        said: dict[str, Any] = {"kind": "fpir"}
        if lists.identification:
            (trial,) = self._ident().trials(lists.identification, embeddings)
            source = str(self.subjects or self.lists or self.gallery)
            said |= {"list": source, "list_sha256": trial_digest(trial)}
            trial = self._reduced(trial, source)
        else:
            source = embeddings.source
            trial = self._drawn(embeddings)
        measured = identify(embeddings, replace(trial, closed=None), similarity=self.similarity, fars=())
        assert measured.open
        impostors = strangers(measured.open)
        found = self._found(impostors, source)
        missed = unidentified(measured.open, found.threshold)
        ends = interval_of(missed, shared_people(measured.open.genuine_people))
        size = measured.open.gallery_people
        rates = {"genuine": len(missed), "fnir": float(missed.mean()), "fnir_interval": ends}
        return said | _said(impostors, found) | rates | {"gallery_size": size}

    def _found(self, impostors: Impostors, source: str) -> Calibrated:
        if self.guarantee and impostors.people is None:
            raise DataError(
                f"{shown(source)}: its names do not say who is who, so that no rate can be guaranteed; name "
                "images PERSON/IMAGE, or leave out --guarantee"
            )
        try:
            return calibrated(impostors, self.rate, self.confidence, guarantee=self.guarantee)
        except DataError as error:
            remedy = "" if self.all_pairs or self.fpir else "; --all-pairs has more impostors"
            raise DataError(f"{shown(source)}: {error}{remedy}") from error

    def _reduced(self, trial: Trial, source: str) -> Trial:
        """`trial` with as many people in its gallery as are wanted, drawn at random where it has more."""
        assert trial.open
        gallery, genuine, strange = trial.open
        people = sorted(set(gallery.people))
        if self.gallery_size is None or self.gallery_size == len(people):
            return trial
        chosen = self._chosen(people, source)
        return replace(trial, open=(_of(gallery, chosen), _of(genuine, chosen), strange))

    def _drawn(self, embeddings: Embeddings) -> Trial:
        """A gallery of the first image of random people; their other images are genuine probes, all images of
        other people impostors."""
        who = _people(embeddings)
        people = sorted(set(who))
        chosen = self._chosen(people, embeddings.source, strangers=2)
        everything = Named(list(embeddings.names), who)
        first: dict[str, str] = {}
        for image, person in sorted(zip(everything.images, everything.people, strict=True)):
            first.setdefault(person, image)
        enrolled = {first[person] for person in chosen}
        known = _of(everything, chosen)
        rest = [pair for pair in zip(known.images, known.people, strict=True) if pair[0] not in enrolled]
        if not rest:
            raise DataError(
                f"{shown(embeddings.source)}: no person in the gallery has a second image, so that there are "
                "no genuine probes; give more images of each person"
            )
        gallery = Named([first[person] for person in chosen], chosen)
        genuine = Named([image for image, _ in rest], [person for _, person in rest])
        return Trial("drawn", None, (gallery, genuine, _of(everything, sorted(set(people) - set(chosen)))))

    def _chosen(self, people: list[str], source: str, strangers: int = 0) -> list[str]:
        """The people in the gallery: always the same for the same people and size."""
        wanted = int(self.gallery_size or 0)
        if wanted > len(people) - strangers:
            left = f", of whom {strangers} must remain as impostors" if strangers else ""
            raise DataError(
                f"{shown(source)}: a gallery of {wanted} people is wanted, and there are {len(people)}{left}; "
                "an FPIR is not extrapolated to larger galleries: give more people"
            )
        places = np.random.default_rng(0).choice(len(people), wanted, replace=False)
        return [people[place] for place in sorted(places)]

    def _identification(self) -> bool:
        named = (self.people, self.subjects, self.lists, self.gallery, self.probes, self.impostors)
        return any(given is not None for given in named)

    def _ident(self) -> Ident:
        return Ident(
            people=self.people,
            subjects=self.subjects,
            lists=(self.lists,) if self.lists else (),
            gallery=self.gallery,
            probes=self.probes,
            impostors=self.impostors,
            similarity=self.similarity,
        )


def read_any_pairs(path: AnyPath) -> Trials:
    """Read a list of pairs in any form that eval-lfw and eval-pairs read: LFW's begins with numbers alone.

    Raises:
        DataError: as `nsface.protocols.lfw.read_pairs` and `nsface.protocols.pairs.read_pairs`.
    """
    header = read_lines(path)[0].text.split()
    return (lfw if all(part.isdigit() for part in header) else pairs).read_pairs(path)


def _said(impostors: Impostors, found: Calibrated) -> dict[str, Any]:
    """What `Threshold` says of the rate."""
    return {
        "threshold": found.threshold,
        "achieved": found.achieved,
        "errors": found.errors,
        "upper_bound": found.upper_bound,
        "method": METHOD if impostors.people else INDEPENDENT,
        "impostors": impostors.trials,
        "people": impostors.people,
    }


def _people(embeddings: Embeddings) -> list[str]:
    """Who each image shows: the folder of its name."""
    people = [identity(name) for name in embeddings.names]
    if not all(people):
        name = embeddings.names[people.index("")]
        raise DataError(
            f"{shown(embeddings.source)}: '{shown(name)}' has no folder that says who it is; name images "
            "PERSON/IMAGE, or give lists"
        )
    return people


def _of(part: Named, people: list[str]) -> Named:
    """The images of `people` alone."""
    kept = set(people)
    pairs = [pair for pair in zip(part.images, part.people, strict=True) if pair[1] in kept]
    return Named([image for image, _ in pairs], [person for _, person in pairs])
