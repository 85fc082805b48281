"""A calibrated threshold: what `nsface calibrate` writes, with all that it depends on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from nsface.checked import Count, Share, from_json
from nsface.errors import DataError, shown
from nsface.files import reason
from nsface.results.base import Result
from nsface.results.text import WIDTH, columns, interval, named_values, percent, wrapped
from nsface.results.values import Interval, MeanCount, Number, exact, left_out
from nsface.untrusted import parse_json

Kind = Literal["fmr", "fpir"]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Confidence = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(ge=1, le=10**15)]
MOST_BYTES = 1 << 20  # of a file: ours have about a thousand
FEW_ERRORS = 30  # fewer do not fix a rate to ± 30 % with 90 % confidence (ISO/IEC 19795-1, rule of 30)
_REMEDY = "write it again with `nsface calibrate`"


@dataclass(frozen=True, kw_only=True)
class AtThreshold:
    """The rates of other data at a calibrated threshold.

    Attributes:
        file: of the threshold.
        threshold, kind, target, upper_bound, confidence: as there.
        fmr, fnmr: of verification, the shares of impostor pairs with score ≥ threshold, and of genuine pairs
            with score < threshold.
        fpir, fnir: of identification, the shares of impostors whose highest score is ≥ threshold, and of
            genuine probes that are not found at rank 1 with a score ≥ threshold.
        fmr_interval, fnmr_interval, fpir_interval, fnir_interval: 95 %, Wilson, identity-aware; None where
            names do not say who is who, and over several trials, where the rates are means.
        impostors, genuine: how many stand behind them.
    """

    file: str
    threshold: Number = exact()
    kind: Kind
    target: Share
    upper_bound: Share
    confidence: Confidence
    fmr: Share | None = left_out()
    fmr_interval: Interval | None = left_out()
    fnmr: Share | None = left_out()
    fnmr_interval: Interval | None = left_out()
    fpir: Share | None = left_out()
    fpir_interval: Interval | None = left_out()
    fnir: Share | None = left_out()
    fnir_interval: Interval | None = left_out()
    impostors: MeanCount
    genuine: MeanCount

    def rates(self) -> list[tuple[str, float, Interval | None]]:
        """Each rate: its name, its value and its interval."""
        known = [
            ("FMR", self.fmr, self.fmr_interval),
            ("FNMR", self.fnmr, self.fnmr_interval),
            ("FPIR", self.fpir, self.fpir_interval),
            ("FNIR", self.fnir, self.fnir_interval),
        ]
        return [(name, rate, ends) for name, rate, ends in known if rate is not None]

    def lines(self, width: int = WIDTH) -> str:
        """What tables say of it."""
        bound = percent(self.upper_bound, 4)
        wanted = (
            f"{self.kind.upper()} {percent(self.target, 4)} was wanted, at most {bound} on other people "
            f"with {100 * self.confidence:g} % confidence"
        )
        rows = [("at the threshold", "rate", "95 % interval")]
        rows += [(name, percent(rate, 4), interval(ends, 4)) for name, rate, ends in self.rates()]
        head = f"  calibrated threshold {self.threshold:.4f} ({self.file}): {wanted}"
        return f"{wrapped(head, width)}\n{columns(rows, width=width)}"


@dataclass(frozen=True, kw_only=True)
class Threshold(Result):
    """A threshold for a wanted FMR (false match rate) or FPIR (false positive identification rate).

    Attributes:
        threshold: two images count as one person where score ≥ threshold.
        similarity, transform: how two embeddings are compared; the threshold holds for no other.
        kind: what was wanted: `fmr`, or `fpir` in a gallery of `gallery_size` people.
        target: the rate that was wanted.
        guaranteed: whether `upper_bound`, and not only `achieved`, had to stay at or below `target`.
        achieved: share of the impostors of the list with score ≥ threshold.
        upper_bound: of the rate on other people, one-sided, at `confidence`.
        confidence: such as 0.95.
        method: how the bound was made.
        impostors, errors: pairs of different people (probes, for `fpir`), and how many of them are accepted.
        people: in those pairs; None where names do not say who is who.
        genuine: pairs of one person, or probes of people in the gallery.
        fnmr, fnmr_interval: for `fmr`, the share of the genuine pairs with score < threshold, with 95 %,
            identity-aware; None without genuine pairs.
        fnir, fnir_interval: for `fpir`, the share of the genuine probes that are not identified.
        gallery_size: people in the gallery, for `fpir`.
        list, list_sha256: the list of pairs, or where the lists of a trial come from, with the digest of the
            file (of what the lists of the trial say); None for all images of the embeddings.
        embeddings, embeddings_sha256: the embeddings file; the digest is of its names, to tell
            whether the images are the same.
        alignment, fitted_from: how the faces were cropped, as the embeddings say it; None where they do not,
            or nothing was padded or cut.
        model, model_digest, preprocessing, flip, precision, pooling: what the embeddings say of how they were
            made; None where they do not.
        nsface: the version that wrote the file.

    Example:
        >>> made = Threshold(
        ...     threshold=0.31, similarity="cosine", kind="fmr", target=0.01, achieved=0.009, errors=27,
        ...     upper_bound=0.0125, confidence=0.95, method="…", impostors=3000, genuine=3000, fnmr=0.02,
        ... )
        >>> made.to_json()["upper_bound"]
        0.0125
    """

    first_keys: ClassVar = ("protocol",)

    protocol: str = "threshold"
    threshold: Number = exact()
    similarity: Literal["cosine", "euclidean"]
    transform: str = "none"
    kind: Kind
    target: Share
    guaranteed: bool = False
    achieved: Share
    upper_bound: Share
    confidence: Confidence
    method: str
    impostors: Positive
    errors: Count
    people: Count | None = None
    genuine: Count = 0
    fnmr: Share | None = left_out()
    fnmr_interval: Interval | None = left_out()
    fnir: Share | None = left_out()
    fnir_interval: Interval | None = left_out()
    gallery_size: Positive | None = left_out()
    list: str | None = None
    list_sha256: Digest | None = None
    embeddings: str | None = None
    embeddings_sha256: Digest | None = None
    model: str | None = None
    model_digest: str | None = None
    preprocessing: Mapping[str, Any] | None = None
    flip: str | None = None
    precision: str | None = None
    pooling: str | None = None
    alignment: Mapping[str, Any] | None = None
    fitted_from: tuple[str, ...] | None = None
    nsface: str | None = None

    @property
    def rate_name(self) -> str:
        """`FMR`, or `FPIR in a gallery of 596`."""
        return "FMR" if self.kind == "fmr" else f"FPIR in a gallery of {self.gallery_size}"

    def description(self) -> str:
        return f"{self.impostors:,} impostors, {self.genuine:,} genuine"

    def notes(self) -> tuple[str, ...]:
        """Sentences on what makes the threshold doubtful."""
        found = []
        if self.errors < FEW_ERRORS:
            found.append(
                f"{self.errors} errors stand behind this {self.kind.upper()}: fewer than {FEW_ERRORS} do not "
                "fix a rate to ± 30 % (rule of 30); rely on the upper bound"
            )
        if self.people is None:
            found.append(
                "the names do not say who is who: the bound takes impostors as independent, and is too low "
                "where they share people"
            )
        return tuple(found)

    def table(self, width: int = WIDTH) -> str:
        confidence = f"{100 * self.confidence:g} %"
        pairs = "impostor pairs" if self.kind == "fmr" else "probes of strangers"
        people = f", {self.people:,} people" if self.people else ""
        rows = [
            ("threshold", f"{self.threshold:.6f} ({self.similarity}, transform {self.transform})"),
            ("wanted", f"{percent(self.target, 4)}{', guaranteed by the upper bound' * self.guaranteed}"),
            (
                "on this list",
                f"{percent(self.achieved, 4)} ({self.errors:,} of {self.impostors:,} {pairs}{people})",
            ),
            ("on other people", f"at most {percent(self.upper_bound, 4)} with {confidence} confidence"),
        ]
        missed, ends = (
            (self.fnmr, self.fnmr_interval) if self.kind == "fmr" else (self.fnir, self.fnir_interval)
        )
        if missed is not None:
            name = "FNMR" if self.kind == "fmr" else "FNIR"
            spread = f", {interval(ends)} (95 %, Wilson, identity-aware)" if ends else ""
            rows.append((name, f"{percent(missed)} of {self.genuine:,}{spread}"))
        rows.append(("bound", self.method))
        return f"{wrapped(f'threshold for {self.rate_name}', width)}\n{named_values(rows, width)}"


def read_threshold(path: str | os.PathLike[str]) -> Threshold:
    """Read what `nsface calibrate` wrote.

    Raises:
        DataError: the file is missing, too large, no JSON, no calibrated threshold, or one of its values is
            missing, of another type, out of its range, or contradicts another.
    """
    source = Path(path)
    try:
        with source.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise DataError(f"{shown(source)}: cannot be read: {why}") from error
    if len(data) > MOST_BYTES:
        raise DataError(
            f"{shown(source)}: more than {MOST_BYTES:,} bytes, no calibrated threshold; {_REMEDY}"
        )
    content = parse_json(data, str(source))
    if not isinstance(content, dict) or content.get("protocol") != "threshold":
        raise DataError(f"{shown(source)}: not a calibrated threshold; `nsface calibrate` writes one")
    read = from_json(Threshold, content, str(source), _REMEDY)
    if problem := _contradiction(read):
        raise DataError(f"{shown(source)}: {problem}; {_REMEDY}")
    return read


def _contradiction(read: Threshold) -> str | None:
    """What in a threshold cannot be true together."""
    if (read.kind == "fpir") != (read.gallery_size is not None):
        return "'gallery_size' is needed for an FPIR, and for nothing else"
    if read.errors > read.impostors:
        return f"{read.errors} errors of {read.impostors} impostors"
    if abs(read.achieved - read.errors / read.impostors) > 1e-6:
        return f"'achieved' {read.achieved} is not {read.errors} of {read.impostors}"
    if read.upper_bound < read.achieved - 1e-9:
        return f"'upper_bound' {read.upper_bound} is below 'achieved' {read.achieved}"
    return None
