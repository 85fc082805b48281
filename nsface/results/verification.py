"""Results of verification: LFW, FGLFW, YTF, InsightFace sets and lists of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

from nsface.checked import Count
from nsface.results.audit import Audit
from nsface.results.base import Figure, Result
from nsface.results.curves import Curves
from nsface.results.error_rates import unresolved
from nsface.results.groups import Groups
from nsface.results.measures import Calibration, Corrected, Measures
from nsface.results.official import PAIRS
from nsface.results.text import WIDTH, columns, interval, named_values, percent, wrapped
from nsface.results.threshold import AtThreshold
from nsface.results.values import left_out, to_json


@dataclass(frozen=True, kw_only=True)
class Verification(Measures, Result):
    """What a verification protocol has measured.

    Attributes:
        protocol: `lfw`, `fglfw`, `ytf`, …
        pairs, genuine: how many pairs, and how many of them show one person.
        similarity, transform: how two embeddings are compared: `cosine` or `euclidean`, after `none`,
            `center` or `pca N`.
        embeddings, flip: the embeddings file, and what it says of mirrored images.
        rendered: whether the faces are rendered ones, of people who do not exist.
        details: what else the protocol says, such as how frames were pooled; in JSON, keys of their own.
        calibration: where it was asked for.
        audit: what less careful evaluations print of the same scores, where it was asked for.
        errata_corrected: the same pairs with corrected labels, where a list of errata was given.
        at_threshold: FMR and FNMR at a calibrated threshold, where one was given.
        groups: error rates of groups of people, where a file of groups was given.
        curves: the ROC, histograms of scores and the worst errors, for figures.

    Example:
        >>> from nsface.results import TarAtFar
        >>> point = TarAtFar(far=0.1, tar=0.8, achieved_far=0.1, threshold=0.4, impostors=10)
        >>> result = Verification(
        ...     protocol="lfw", pairs=20, genuine=10, similarity="cosine", accuracy=0.9, standard_error=None,
        ...     confidence_interval=None, folds=(), auc=0.97, eer=0.1, tar_at_far=(point,),
        ... )
        >>> result.official  # LFW has 6,000 pairs
        False
        >>> result.to_json()["tar_at_far"][0]["tar"]
        0.8
    """

    spread_is: ClassVar[str] = "the standard error over folds"
    first_keys: ClassVar = ("protocol", "pairs", "genuine")

    protocol: str
    pairs: Count
    genuine: Count
    similarity: str
    transform: str = "none"
    embeddings: str | None = None
    flip: str | None = None
    rendered: bool | None = left_out()
    details: Mapping[str, Any] = field(default_factory=dict, metadata={"beside": True})
    calibration: Calibration | None = left_out()
    audit: Audit | None = left_out()
    errata_corrected: Corrected | None = left_out()
    at_threshold: AtThreshold | None = left_out()
    groups: Groups | None = left_out()
    curves: Curves | None = left_out()

    @classmethod
    def is_in(cls, content: Mapping[str, Any]) -> bool:
        protocol = str(content["protocol"]).removesuffix("-like")
        return protocol in PAIRS or "folds" in content

    def measures(self) -> dict[str, Any]:
        """The fields of `Measures` by name."""
        return {one.name: getattr(self, one.name) for one in fields(Measures)}

    def figures(self) -> list[Figure]:
        if self.accuracy is None:
            return []
        name = self.protocol.removesuffix("-like")
        official = self.protocol == name and self.pairs == PAIRS.get(name) and not self.rendered
        ends = self.identity_interval or self.confidence_interval
        column = name.upper() if name in PAIRS else name
        return [Figure(column, self.accuracy, self.standard_error, ends, official)]

    def trials_of(self, figure: Figure) -> int:
        return self.pairs

    def description(self) -> str:
        return f"{self.pairs:,} pairs, {self.genuine:,} of them of one person"

    def table(self, width: int = WIDTH) -> str:
        how = f"{self.similarity}, transform {self.transform}, flip {self.flip or 'unknown'}"
        kinds = f"{self.genuine} genuine, {self.pairs - self.genuine} impostors"
        parts = [
            f"{self.protocol}: {self.pairs} pairs ({kinds})",
            wrapped(f"  {how}", width),
            named_values(self.accuracy_rows(), width),
            columns(self._rate_rows(), width=width),
            *self._unresolved(width),
        ]
        if self.details:
            said = (f"{key} {'unknown' if value is None else value}" for key, value in self.details.items())
            parts.append(wrapped(f"  {', '.join(said)}", width))
        if self.at_threshold:
            parts.append(self.at_threshold.lines(width))
        if found := self.calibration:
            parts.append(
                wrapped(f"  expected calibration error {percent(found.ece)} ({found.method})", width)
            )
        if corrected := self.errata_corrected:
            parts.append(f"with {corrected.labels_changed} labels corrected")
            parts.append(named_values(corrected.accuracy_rows(), width))
        if self.audit:
            parts.append(self.audit.table(width))
        if self.groups:
            parts.append(self.groups.table(width))
        return "\n".join(parts)

    def _rate_rows(self) -> list[tuple[str, ...]]:
        title = "95 % interval"
        rows: list[tuple[str, ...]] = [("FAR", "TAR", title, "achieved FAR", title, "threshold", "FNMR")]
        for point in self.tar_at_far:
            tar = (percent(point.tar), interval(point.identity_interval))
            far = (percent(point.achieved_far, 4), interval(point.far_identity_interval, 4))
            fnmr = percent(1 - point.tar)
            rows.append((f"{100 * point.far:g} %", *tar, *far, f"{point.threshold:.4f}", fnmr))
        return rows

    def _unresolved(self, width: int) -> Sequence[str]:
        fars, impostors = [point.far for point in self.tar_at_far], self.pairs - self.genuine
        return unresolved(fars, impostors, "FMR", "impostor pairs", width)


@dataclass(frozen=True, kw_only=True)
class VerificationSets(Result):
    """What one model has scored on InsightFace's verification sets.

    Attributes:
        model: the model file.
        flip: what mirrored images are used for.
        sets: the result on each set, whose `protocol` is the name of its file.
    """

    spread_is: ClassVar[str] = "the standard error over folds"

    protocol: str = "bin"
    model: str = ""
    flip: str | None = None
    sets: tuple[Verification, ...]

    @classmethod
    def is_in(cls, content: Mapping[str, Any]) -> bool:
        return "sets" in content

    def to_json(self) -> dict[str, Any]:
        without = ("embeddings", "flip", "curves")
        parts = [
            {key: value for key, value in one.to_json().items() if key not in without} for one in self.sets
        ]
        return to_json(self) | {"sets": parts}

    def figures(self) -> list[Figure]:
        return [replace(figure, name=one.protocol) for one in self.sets for figure in one.figures()]

    def table(self, width: int = WIDTH) -> str:
        rows = [["set", "pairs", "accuracy", "std. error", "95 % interval", "AUC", "EER"]]
        for one in self.sets:
            accuracy = [percent(one.accuracy), percent(one.standard_error), interval(one.confidence_interval)]
            rows.append([one.protocol, str(one.pairs), *accuracy, percent(one.auc, 3), percent(one.eer)])
        if any(one.calibration for one in self.sets):
            rows[0].append("ECE")
            for row, one in zip(rows[1:], self.sets, strict=True):
                row.append(percent(one.calibration.ece if one.calibration else None))
        if any(one.at_threshold for one in self.sets):
            rows[0] += ["FMR", "FNMR"]
            for row, one in zip(rows[1:], self.sets, strict=True):
                found = one.at_threshold
                row += [percent(found.fmr, 4), percent(found.fnmr)] if found else ["–", "–"]
        audits = [f"{one.protocol}, {one.audit.table(width)}" for one in self.sets if one.audit]
        return "\n".join([columns(rows, indent="", width=width), *audits])
