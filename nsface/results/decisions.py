"""Decisions about single images: whether two show one person, and who in a gallery is most alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from nsface.checked import Count, Share
from nsface.errors import shown
from nsface.results.base import Result
from nsface.results.text import WIDTH, named_values, percent, wrapped
from nsface.results.threshold import Confidence, Kind, Positive, Threshold
from nsface.results.values import Number, exact, left_out

Point = tuple[Number, Number]
_DASH = "–"
_PERSON = 40  # characters of the column of people, at most; longer names go beyond it


@dataclass(frozen=True, kw_only=True)
class FaceInImage:
    """The face of an image that was aligned.

    Attributes:
        points: x and y of the five points, in pixels of the image.
        confidence: of the detector, in [0, 1]; None where the points are from a file without it.
        found: how many faces the detector found; None where the points are from a file.
        choice: which of several faces was used, `largest` or `central`; None as `found`.
    """

    points: tuple[Point, ...]
    confidence: Number | None = None
    found: Count | None = None
    choice: str | None = None

    def sentence(self) -> str:
        """What tables say of it."""
        confidence = "" if self.confidence is None else f", detector confidence {self.confidence:.3f}"
        if self.found is None:
            return f"aligned by points from a file{confidence}"
        if self.found == 1:
            return f"one face found{confidence}"
        return f"{self.found} faces found, of which the {self.choice} one was used{confidence}"


@dataclass(frozen=True, kw_only=True)
class CalibratedRate:
    """What is known of the errors at a threshold: the part of a `Threshold` that a decision needs.

    Attributes:
        file: of the threshold.
        kind, target, achieved, upper_bound, confidence, gallery_size, list: as there.
    """

    file: str
    kind: Kind
    target: Share
    achieved: Share
    upper_bound: Share
    confidence: Confidence
    impostors: Positive
    gallery_size: Positive | None = left_out()
    list: str | None = None

    @classmethod
    def of(cls, threshold: Threshold, file: str) -> CalibratedRate:
        """That of `threshold`, which was read from `file`."""
        keys = ("kind", "target", "achieved", "upper_bound", "confidence", "impostors", "gallery_size")
        where = threshold.list or threshold.embeddings
        return cls(file=file, list=where, **{key: getattr(threshold, key) for key in keys})

    def sentence(self) -> str:
        """The rate and its bound, in words."""
        where = f" on {shown(self.list)}" if self.list else ""
        who, tried = "pairs of different people reach it", f"{self.impostors:,} such pairs"
        if self.kind == "fpir":
            who = f"people who are not in a gallery of {self.gallery_size} people reach it"
            tried = f"{self.impostors:,} images of such people"
        return (
            f"at most {percent(self.upper_bound, 4)} of {who}, with {100 * self.confidence:g} % confidence "
            f"({percent(self.achieved, 4)} of {tried}{where})"
        )


@dataclass(frozen=True, kw_only=True)
class PairDecision(Result):
    """Whether two images show one person.

    Attributes:
        first, second: the images.
        score, similarity: how alike they are; None where an image cannot be used.
        threshold: they count as one person where score ≥ threshold; None where none was given.
        calibrated: what is known of the errors at the threshold; None for a plain number.
        faces: of images that were aligned, the face in each.
        error: why there is no score.

    Example:
        >>> made = PairDecision(first="a.jpg", second="b.jpg", score=0.5, similarity="cosine", threshold=0.3)
        >>> made.same
        True
    """

    first_keys: ClassVar = ("protocol", "first", "second", "score", "same", "threshold")
    derived: ClassVar = {"threshold": "same"}

    protocol: str = "verify"
    first: str
    second: str
    score: Number | None = exact(default=None)
    similarity: str = "cosine"
    threshold: Number | None = exact(default=None)
    calibrated: CalibratedRate | None = left_out()
    faces: tuple[FaceInImage, ...] | None = left_out()
    error: str | None = left_out()

    @property
    def same(self) -> bool | None:
        """Whether score ≥ threshold; None without one of them."""
        if self.score is None or self.threshold is None:
            return None
        return self.score >= self.threshold

    def table(self, width: int = WIDTH) -> str:
        rows = [("first", shown(self.first)), ("second", shown(self.second))]
        for place, face in enumerate(self.faces or ()):
            rows.insert(2 * place + 1, ("", face.sentence()))
        if self.score is None:
            rows.append(("no score", shown(self.error)))
            return "\n".join(["verification", named_values(rows, width)])
        rows.append(("score", f"{self.score:.6f} ({self.similarity})"))
        if self.threshold is None:
            rows.append(
                ("decision", "none: that takes a threshold (`nsface calibrate`, then --threshold FILE)")
            )
        else:
            rows.append(("decision", "the same person" if self.same else "not the same person"))
            rows.append(("threshold", f"{self.threshold:.6f}: {_known(self.calibrated)}"))
        return "\n".join(["verification", named_values(rows, width)])


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A person in the gallery.

    Attributes:
        person: the folder of the image's name, or the name where the gallery has no folders.
        image: the person's image in the gallery that is most alike.
        score: of this image.
        rank: 1 + the number of other people who score at least as much.
    """

    person: str
    image: str
    score: Number = exact()
    rank: Positive


@dataclass(frozen=True, kw_only=True)
class ProbeDecision:
    """Who in a gallery is most alike the face in an image.

    Attributes:
        probe: the image.
        candidates: the most alike people, by descending score; none where the image cannot be used.
        threshold: None where none was given.
        face: of an image that was aligned.
        error: why there are no candidates.
    """

    first_keys: ClassVar = ("probe", "identified")
    derived: ClassVar = {"threshold": "identified"}

    probe: str
    candidates: tuple[Candidate, ...] = ()
    threshold: Number | None = exact(default=None)
    face: FaceInImage | None = left_out()
    error: str | None = left_out()

    @property
    def identified(self) -> str | None:
        """The person of the first candidate, where nobody else scores as much and score ≥ threshold."""
        if not self.candidates or self.threshold is None:
            return None
        best = self.candidates[0]
        return best.person if best.rank == 1 and best.score >= self.threshold else None

    def lines(self, width: int) -> str:
        """A line for each candidate, its person in a column of `width` characters."""
        if not self.candidates:
            return _line(_DASH, _DASH, "no result", "", width, self.probe)
        decision = "" if self.threshold is None else "unknown" if self.identified is None else "identified"
        written = []
        for place, one in enumerate(self.candidates):
            beside = (decision, self.probe) if place == 0 else ("", "")
            written.append(_line(str(one.rank), f"{one.score:.4f}", beside[0], one.person, width, beside[1]))
        return "\n".join(written)


@dataclass(frozen=True, kw_only=True)
class Identified(Result):
    """Decisions about many images and one gallery.

    Attributes:
        gallery: where it comes from.
        people, images: how many are in it.
        similarity: how scores are made.
        threshold: None where none was given.
        calibrated: what is known of the errors at the threshold; None for a plain number.
        probes: the decisions.
    """

    first_keys: ClassVar = ("protocol",)

    protocol: Literal["identify"] = "identify"
    gallery: str
    people: Positive
    images: Positive
    similarity: str = "cosine"
    threshold: Number | None = exact(default=None)
    calibrated: CalibratedRate | None = left_out()
    probes: tuple[ProbeDecision, ...] = ()

    def table(self, width: int = WIDTH) -> str:
        column = person_width(one.person for probe in self.probes for one in probe.candidates)
        parts = [self.heading(width), column_titles(column), *(probe.lines(column) for probe in self.probes)]
        return "\n".join(parts)

    def heading(self, width: int = WIDTH) -> str:
        """What stands above the table: the gallery and the threshold."""
        lines = [f"gallery {shown(self.gallery)}: {self.images:,} images of {self.people:,} people"]
        if self.threshold is None:
            lines.append("no threshold was given, so nobody is identified; `nsface calibrate` finds one")
        else:
            lines.append(f"threshold {self.threshold:.6f}: {_known(self.calibrated)}")
        return "\n".join(wrapped(line, width, 2) for line in lines)


def person_width(people: Iterable[str]) -> int:
    """Characters that a column of `people` needs."""
    return min(_PERSON, max((len(shown(person)) for person in people), default=0))


def column_titles(width: int) -> str:
    """The titles of the columns of `ProbeDecision.lines`."""
    return _line("rank", "score", "decision", "person", width, "probe")


def _line(rank: str, score: str, decision: str, person: str, width: int, probe: str) -> str:
    return f"  {rank:>5}  {score:>8}  {decision:<10}  {shown(person):<{width}}  {shown(probe)}".rstrip()


def _known(rate: CalibratedRate | None) -> str:
    """What is known of the errors at a threshold, in words."""
    return rate.sentence() if rate else "a plain number, whose errors are not known"
