"""Decisions about single embeddings, by a threshold that fits how they were made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, NsfaceError, joined, shown
from nsface.metrics import candidates as search
from nsface.metrics.search import Gallery
from nsface.metrics.similarity import Similarity, pair_scores
from nsface.names import stem
from nsface.protocols.at_threshold import check_provenance, crop_notes
from nsface.protocols.drawn_gallery import people_of
from nsface.protocols.provenance import DECISIVE, crop_difference, provenance
from nsface.protocols.trials import numbered
from nsface.results.decisions import (
    CalibratedRate,
    Candidate,
    FaceInImage,
    Identified,
    PairDecision,
    ProbeDecision,
)
from nsface.results.text import percent
from nsface.results.threshold import Threshold, read_threshold

Vectors = npt.NDArray[np.float32]
_MOST_SCORE = 1e12


@dataclass(frozen=True)
class Rule:
    """How a score becomes a decision: two images count as one person where score ≥ threshold.

    Attributes:
        threshold: None for no decisions.
        calibrated: what is known of it; None for a plain number.
        file: of the calibrated threshold.
    """

    threshold: float | None = None
    calibrated: Threshold | None = None
    file: str = ""

    @property
    def similarity(self) -> Similarity:
        """How scores are made: as for the calibration, or by cosine."""
        return self.calibrated.similarity if self.calibrated else "cosine"

    @property
    def rate(self) -> CalibratedRate | None:
        """What is known of the errors at the threshold."""
        return CalibratedRate.of(self.calibrated, self.file) if self.calibrated else None

    def verification_notes(self, embeddings: Embeddings) -> list[str]:
        """Sentences on what makes decisions about pairs of these embeddings doubtful.

        Args:
            embeddings: with the `meta` and the source of those that are compared; they need no rows.

        Raises:
            DataError: the threshold was calibrated for another model, preprocessing, flip mode or pooling.
        """
        if self.calibrated is None:
            return []
        notes = check_provenance(self.calibrated, self.file, embeddings)
        if self.calibrated.kind == "fpir":
            notes.append(
                f"{shown(self.file)}: calibrated for an {self.calibrated.rate_name}, which does not say how "
                "many pairs of different people reach it"
            )
        return [*notes, *self.calibrated.notes()]

    def identification_notes(self, probes: Embeddings, images: int, people: int) -> list[str]:
        """Sentences on what makes decisions about these probes in a gallery of so many doubtful.

        Args:
            probes: as for `verification_notes`.

        Raises:
            DataError: as `verification_notes`.
        """
        known = self.calibrated
        if known is None:
            return []
        notes = check_provenance(known, self.file, probes)
        if known.kind == "fmr":
            most = min(1.0, images * known.upper_bound)
            notes.append(
                f"{shown(self.file)}: calibrated for an FMR, of one comparison; a probe is compared with "
                f"{images:,} images, so that up to {percent(most)} of the people who are not in the gallery "
                "may be identified as somebody in it; calibrate with --fpir and --gallery-size"
            )
        elif known.gallery_size != people:
            notes.append(
                f"{shown(self.file)}: calibrated for a gallery of {known.gallery_size} people, applied to "
                f"{people}: an FPIR grows with the gallery"
            )
        return [*notes, *known.notes()]

    def crop_notes(self, embeddings: Embeddings) -> list[str]:
        """A sentence where the threshold was calibrated on other crops of faces than these.

        Args:
            embeddings: as for `verification_notes`, when images were embedded: only then it is known whether
                they had to be padded or cut.
        """
        return crop_notes(self.calibrated, self.file, embeddings) if self.calibrated else []

    def verify(
        self,
        first: tuple[str, Vectors],
        second: tuple[str, Vectors],
        faces: tuple[FaceInImage, ...] | None = None,
        *,
        in_full: bool = True,
    ) -> PairDecision:
        """Decide whether two images show one person.

        Args:
            first, second: name and embedding (D,) of each.
            faces: of images that were aligned.
            in_full: say what is known of the errors at the threshold.
        """
        vectors = np.stack([first[1], second[1]])
        (score,) = pair_scores(vectors, np.array([0]), np.array([1]), self.similarity)
        return PairDecision(
            first=first[0],
            second=second[0],
            score=float(score),
            similarity=self.similarity,
            threshold=self.threshold,
            calibrated=self.rate if in_full else None,
            faces=faces,
        )


def read_rule(given: str | os.PathLike[str] | float | None) -> Rule:
    """The rule of a calibrated threshold, in a file, or of a number.

    Args:
        given: a number, also as a text; or the path of what `nsface calibrate` wrote; None for no decisions.

    Raises:
        NsfaceError: a number that no score has.
        DataError: the file cannot be read, or is for embeddings that are transformed.

    Example:
        >>> read_rule("0.31").threshold
        0.31
    """
    if given is None:
        return Rule()
    try:
        number = float(given)  # type: ignore[arg-type]  # of a path it is a TypeError
    except (TypeError, ValueError):
        file = os.fspath(given)  # type: ignore[arg-type]
        read = read_threshold(file)
        if read.transform != "none":
            raise DataError(
                f"{shown(file)}: calibrated with transform {shown(read.transform)}, and single images are "
                "compared without; calibrate again"
            ) from None
        return Rule(read.threshold, read, file)
    if not -_MOST_SCORE <= number <= _MOST_SCORE:
        raise NsfaceError(f"a threshold is a score, such as 0.31, or a file; not {shown(given)}")
    return Rule(number)


class People:
    """A gallery of embeddings, with the people in it; several images of a person are one entry.

    A person is the folder of an image's name. Where no name has a folder, every image is a person.

    Raises:
        DataError: no embeddings, or only some names have a folder.
    """

    def __init__(self, embeddings: Embeddings) -> None:
        if not len(embeddings.names):
            raise DataError(f"{shown(embeddings.source)}: no embeddings in it; a gallery needs some")
        self.embeddings = embeddings
        flat = not any("/" in name for name in embeddings.names)
        people = list(map(stem, embeddings.names)) if flat else people_of(embeddings)
        self._people = people

    @cached_property
    def _gallery(self) -> Gallery:
        rows = np.arange(len(self._people))
        return Gallery(self.embeddings.vectors, rows, numbered(self._people)).sorted()

    @cached_property
    def names(self) -> list[str]:
        """The people, in the order of the gallery."""
        return list(dict.fromkeys(self._people))

    def result(self, rule: Rule, probes: Sequence[ProbeDecision] = ()) -> Identified:
        """Decisions of `identify` with what is known of gallery and threshold."""
        return Identified(
            gallery=self.embeddings.source,
            people=len(self.names),
            images=len(self._people),
            similarity=rule.similarity,
            threshold=rule.threshold,
            calibrated=rule.rate,
            probes=tuple(probes),
        )

    def comparable(self, probes: Embeddings) -> list[str]:
        """Sentences on what could not be checked, or differs, between how gallery and probes were made.

        Args:
            probes: with the `meta` and the source of the probes; they need no rows.

        Raises:
            DataError: they are of another model, preprocessing or flip mode.
        """
        gallery, source = provenance(self.embeddings.meta), shown(self.embeddings.source)
        here = provenance(probes.meta)
        keys = {key: name for key, name in DECISIVE.items() if key != "pooling"}
        unknown = [name for key, name in keys.items() if None in (here[key], gallery[key])]
        differing = [name for key, name in keys.items() if name not in unknown and here[key] != gallery[key]]
        if differing:
            raise DataError(
                f"{shown(probes.source)}: made with another {joined(differing)} than the gallery {source}; "
                "their scores mean nothing: extract one of them again"
            )
        if unknown:
            return [
                f"whether {shown(probes.source)} and the gallery {source} are of the same {joined(unknown)} "
                "could not be checked; one of the two does not say"
            ]
        return []

    def crop_notes(self, probes: Embeddings) -> list[str]:
        """A sentence where the gallery has other crops of faces than the probes.

        Args:
            probes: as for `comparable`, when images were embedded.
        """
        difference = crop_difference(provenance(self.embeddings.meta), provenance(probes.meta))
        if difference is None:
            return []
        return [
            f"the gallery {shown(self.embeddings.source)} is of {difference[0]}, and the probes are "
            f"{difference[1]}: scores of other crops have other distributions"
        ]

    def identify(
        self,
        probes: Sequence[str],
        vectors: Vectors,
        rule: Rule,
        top: int = 1,
        faces: Sequence[FaceInImage | None] | None = None,
    ) -> list[ProbeDecision]:
        """The `top` most alike people for each probe, and whether the first is identified.

        Args:
            probes: P names.
            vectors: (P, D).
            faces: of probes that were aligned.

        Raises:
            DataError: embeddings of another size than the gallery's.
        """
        gallery = self._gallery
        if not len(probes):
            return []
        if vectors.shape[1] != self.embeddings.vectors.shape[1]:
            raise DataError(
                f"embeddings of size {vectors.shape[1]}, and {shown(self.embeddings.source)} has them of "
                f"size {self.embeddings.vectors.shape[1]}; extract both with one model and one --flip"
            )
        found = search.candidates(gallery, vectors, top, rule.similarity)
        columns = [part.tolist() for part in (found.identities, found.rows, found.scores, found.ranks)]
        return [
            ProbeDecision(
                probe=probe,
                candidates=tuple(
                    Candidate(
                        person=self.names[person], image=self.embeddings.names[row], score=score, rank=rank
                    )
                    for person, row, score, rank in zip(*own, strict=True)
                ),
                threshold=rule.threshold,
                face=face,
            )
            for probe, face, *own in zip(probes, faces or [None] * len(probes), *columns, strict=True)
        ]
