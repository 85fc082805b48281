"""Results that are rates without folds: BLUFR over its trials, and IJB over template pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nsface.checked import Count, Share
from nsface.errors import counted
from nsface.results.base import Figure, Result
from nsface.results.error_rates import WithFnmr, unresolved
from nsface.results.identification import OpenSet
from nsface.results.measures import AttainedTar
from nsface.results.official import BLUFR_GALLERY, BLUFR_TRIALS
from nsface.results.text import WIDTH, columns, dir_at, interval, percent, tar_at, wrapped
from nsface.results.values import Interval, Number, left_out


@dataclass(frozen=True, kw_only=True)
class MeanTar:
    """TAR at a FAR over trials.

    Attributes:
        far: the FAR that was asked for.
        tar: mean over trials.
        std: standard deviation over trials (ddof=1); None for one trial.
        mean_minus_std: the number that BLUFR reports.
    """

    far: Share
    tar: Share
    std: Share | None = None
    mean_minus_std: Number | None = None


@dataclass(frozen=True, kw_only=True)
class MeanDir:
    """DIR at a FAR and rank 1 over trials: mean, standard deviation and their difference, as in `MeanTar`."""

    far: Share
    rank: Count = 1
    dir: Share
    std: Share | None = None
    mean_minus_std: Number | None = None


@dataclass(frozen=True, kw_only=True)
class MeanOpenSet:
    """DIR over the open sets of all trials; `dir` has one entry for each FAR."""

    dir: tuple[MeanDir, ...]


@dataclass(frozen=True, kw_only=True)
class BlufrTrial(WithFnmr):
    """One trial.

    Attributes:
        name: `trial01` to `trial10`.
        images, genuine: images of the test set, and pairs of one person among all pairs of them.
        tar_at_far: over all pairs of the test set.
        open_set: identification in the gallery of the trial.
    """

    name: str = ""
    images: Count | None = None
    genuine: Count | None = None
    tar_at_far: tuple[AttainedTar, ...] = ()
    open_set: OpenSet | None = left_out()


@dataclass(frozen=True, kw_only=True)
class BlufrRates(Result):
    """What BLUFR has measured: rates over its trials.

    Attributes:
        tar_at_far: verification over all pairs of each trial's test set.
        open_set: open-set identification.
        trials: what each trial has measured.
        embeddings, flip: the embeddings file, and what it says of mirrored images.
        rendered: whether the faces are rendered ones, of people who do not exist.
    """

    spread_is: ClassVar[str] = "the standard deviation over trials"

    protocol: str = "blufr"
    tar_at_far: tuple[MeanTar, ...]
    open_set: MeanOpenSet = MeanOpenSet(dir=())
    trials: tuple[BlufrTrial, ...] = ()
    embeddings: str | None = None
    flip: str | None = None
    rendered: bool | None = left_out()

    @classmethod
    def is_in(cls, content: Mapping[str, Any]) -> bool:
        return "tar_at_far" in content and content.get("open_set") is not None

    def figures(self) -> list[Figure]:
        galleries = {trial.open_set.gallery for trial in self.trials if trial.open_set}
        official = len(self.trials) == BLUFR_TRIALS and galleries == {BLUFR_GALLERY} and not self.rendered
        tar = [(tar_at(point.far), point.tar, point.std) for point in self.tar_at_far]
        dir_ = [(dir_at(point.far), point.dir, point.std) for point in self.open_set.dir]
        return [Figure(name, value, std, None, official) for name, value, std in [*tar, *dir_]]

    def trials_of(self, figure: Figure) -> int | None:
        counts: list[float | None] = [trial.genuine for trial in self.trials]
        if figure.name.startswith("DIR"):
            counts = [trial.open_set.genuine if trial.open_set else None for trial in self.trials]
        known = [count for count in counts if count is not None]
        return round(sum(known) / len(known)) if known else None

    def description(self) -> str:
        return counted(len(self.trials), "trial")

    def table(self, width: int = WIDTH) -> str:
        rows: list[tuple[str, ...]] = [("", "mean", "std", "mean − std")]
        for tar in self.tar_at_far:
            shares = map(percent, (tar.tar, tar.std, tar.mean_minus_std))
            rows.append((tar_at(tar.far), *shares))
        for point in self.open_set.dir:
            shares = map(percent, (point.dir, point.std, point.mean_minus_std))
            rows.append((f"DIR at rank 1, at FAR {100 * point.far:g} %", *shares))
        return f"blufr, {counted(len(self.trials), 'trial')}\n{columns(rows, width=width)}"


@dataclass(frozen=True, kw_only=True)
class TemplateTar(AttainedTar):
    """TAR at FAR over pairs of templates.

    Attributes:
        identity_interval: of TAR, 95 %, identity-aware; templates that genuine pairs link are of one person.
    """

    identity_interval: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class FailedToEnrol:
    """What could not be enrolled.

    Attributes:
        faces: faces that have no embedding.
        templates: templates none of whose faces has one.
        pairs, genuine: pairs with such templates, and how many of them are genuine; they score below all
            others.
    """

    faces: Count
    templates: Count
    pairs: Count
    genuine: Count


@dataclass(frozen=True, kw_only=True)
class TemplateVerification(WithFnmr, Result):
    """What IJB-B or IJB-C has measured, template against template (1:1).

    Attributes:
        images, templates: faces, and templates that are in pairs.
        pairs, genuine: pairs of templates, and how many of them are of one person.
        auc, eer: area under the ROC, and equal error rate.
        tar_at_far: one entry for each FAR that was asked for.
        embeddings, flip: the embeddings file, and what it says of mirrored images.
        rendered: whether the faces are rendered ones, of people who do not exist.
        failure_to_enrol: None where every template must have an embedded face.
    """

    protocol: str = "ijb"
    images: Count = 0
    templates: Count = 0
    pairs: Count = 0
    genuine: Count = 0
    auc: Share = 0
    eer: Share = 0
    tar_at_far: tuple[TemplateTar, ...]
    similarity: str = "cosine"
    embeddings: str | None = None
    flip: str | None = None
    rendered: bool | None = left_out()
    failure_to_enrol: FailedToEnrol | None = left_out()

    @classmethod
    def is_in(cls, content: Mapping[str, Any]) -> bool:
        return "tar_at_far" in content and content.get("open_set") is None

    def figures(self) -> list[Figure]:
        return [Figure(point.name, point.tar, None, point.identity_interval) for point in self.tar_at_far]

    def trials_of(self, figure: Figure) -> int:
        return self.genuine

    def description(self) -> str:
        return f"{self.pairs:,} pairs, {self.genuine:,} of them of one person, {self.templates:,} templates"

    def table(self, width: int = WIDTH) -> str:
        head = (
            f"{self.protocol}: {self.pairs} pairs ({self.genuine} genuine), {self.templates} templates, "
            f"{self.images} faces"
        )
        rows = [("FAR", "TAR", "95 % interval", "achieved FAR", "threshold", "FNMR")]
        for point in self.tar_at_far:
            shares = (percent(point.tar), interval(point.identity_interval))
            achieved = f"{point.achieved_far:.3g}"
            rows.append(
                (f"{point.far:g}", *shares, achieved, f"{point.threshold:.4f}", percent(1 - point.tar))
            )
        areas = f"  AUC {percent(self.auc, 3)}, EER {percent(self.eer)}"
        lines = [wrapped(head, width), areas, columns(rows, width=width)]
        fars, impostors = [point.far for point in self.tar_at_far], self.pairs - self.genuine
        lines += unresolved(fars, impostors, "FMR", "impostor pairs", width)
        if failed := self.failure_to_enrol:
            lines.append(
                wrapped(
                    f"  failed to enrol: {failed.templates} templates, in {failed.pairs} pairs "
                    f"({failed.genuine} genuine), scored below all others; "
                    f"{failed.faces} faces have no embedding",
                    width,
                )
            )
        return "\n".join(lines)
