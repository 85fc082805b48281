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
from nsface.metrics.impostors import AllImpostors, Impostors, ListedImpostors
from nsface.metrics.shared_people import shared_people
from nsface.metrics.similarity import Similarity, pair_scores
from nsface.metrics.threshold import Calibrated, calibrated
from nsface.protocols import lfw, pairs
from nsface.protocols.at_threshold import (
    file_digest,
    interval_of,
    names_digest,
    strangers,
    trial_digest,
    unidentified,
)
from nsface.protocols.drawn_gallery import drawn, people_of, reduced
from nsface.protocols.ident import Ident, Lists
from nsface.protocols.identification import identify
from nsface.protocols.lists import read_lines
from nsface.protocols.protocol import AnyPath, Measurement, OptionsError, Protocol, Start, option
from nsface.protocols.provenance import provenance
from nsface.protocols.scored_pairs import ScoredPairs
from nsface.protocols.trials import Trials, numbered
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
    pairs of the images (--all-pairs). With --fpir it is the false positive identification rate in a gallery
    of --gallery-size people, from lists as of eval-ident, or from images drawn at random.

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
        person = numbered(people_of(embeddings))
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
            trial = reduced(trial, self.gallery_size, source)
        else:
            source = embeddings.source
            trial = drawn(embeddings, int(self.gallery_size or 0))
        measured = identify(embeddings, replace(trial, closed=None), similarity=self.similarity, fars=())
        assert measured.open
        impostors = strangers(measured.open)
        found = self._found(impostors, source)
        missed, ends = unidentified(measured.open, found.threshold)
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
    return lfw.read_pairs(path) if all(map(str.isdigit, header)) else pairs.read_pairs(path)


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
