"""Results of identification, in the closed and the open set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nsface.checked import Count, Share
from nsface.errors import counted
from nsface.results.audit import Audit
from nsface.results.base import Figure, Result
from nsface.results.curves import Curves
from nsface.results.error_rates import FnirAtFpir, fnir_of, unresolved
from nsface.results.groups import Groups
from nsface.results.official import LFW_CLOSED_SET, LFW_OPEN_SET
from nsface.results.text import WIDTH, columns, dir_at, interval, mean_and_spread, percent, wrapped
from nsface.results.threshold import AtThreshold
from nsface.results.values import Interval, MeanCount, Number, exact, left_out


@dataclass(frozen=True, kw_only=True)
class ClosedSet:
    """Identification in the closed set, where every probe's person is in the gallery.

    Attributes:
        gallery, probes: images; over several trials their means.
        rank: by rank k, as text ("1", "5", "10"), the share of probes whose person is among the best k.
        rank_interval: of each rank 95 %, identity-aware; None over several trials.
        rank_std: of each rank the standard deviation over trials (ddof=1); None for one trial.
    """

    gallery: MeanCount
    probes: MeanCount
    rank: dict[str, Share]
    rank_interval: dict[str, Interval | None] | None = left_out()
    rank_std: dict[str, Share] | None = left_out()


@dataclass(frozen=True, kw_only=True)
class DirAtFar:
    """Detection and identification rate at rank 1, at the smallest threshold whose FAR is not above `far`.

    Attributes:
        far: the FAR that was asked for.
        rank: 1.
        dir: share of the genuine probes whose person scores best, and scores ≥ `threshold`.
        std: standard deviation over trials (ddof=1); None for one trial.
        threshold: over several trials their mean.
        achieved_far: share of the impostors whose best score is ≥ `threshold`, not above `far`.
        confidence_interval: 95 %, from bootstrap samples of people; None over several trials.
    """

    far: Share
    rank: Count = 1
    dir: Share
    std: Share | None = left_out()
    threshold: Number = exact()
    achieved_far: Share
    confidence_interval: Interval | None = left_out()

    @property
    def name(self) -> str:
        """`DIR at FAR 1 %`."""
        return dir_at(self.far)


@dataclass(frozen=True, kw_only=True)
class OpenSet:
    """Identification in the open set, where some probes show people who are not in the gallery: impostors.

    Attributes:
        gallery, genuine, impostors: images; over several trials their means.
        dir: one entry for each FAR that was asked for.
    """

    derived: ClassVar[Mapping[str, str]] = {"dir": "fnir_at_fpir"}

    gallery: MeanCount
    genuine: MeanCount
    impostors: MeanCount
    dir: tuple[DirAtFar, ...]

    @property
    def fnir_at_fpir(self) -> tuple[FnirAtFpir, ...]:
        """FNIR at each FPIR, from `dir`."""
        return tuple(fnir_of(point, self.impostors) for point in self.dir)


@dataclass(frozen=True, kw_only=True)
class IdentificationTrial:
    """One of several trials.

    Attributes:
        name: of the folder that holds its lists.
        closed_set, open_set: None where the trial has no such set.
        at_threshold: FPIR and FNIR at a calibrated threshold, where one was given.
    """

    name: str = ""
    closed_set: ClosedSet | None = left_out()
    open_set: OpenSet | None = left_out()
    at_threshold: AtThreshold | None = left_out()


@dataclass(frozen=True, kw_only=True)
class Identification(Result):
    """What an identification protocol has measured, in one trial or in the mean of several.

    Attributes:
        protocol: `lfw-identification`, or `identification` for anybody's own lists.
        fuse: how several gallery images of one person become one entry: the `best` score, or the `mean`
            embedding.
        open_gallery: how LFW's open gallery is read: a `single` image of each person or `multi`, all but one;
            None for other lists.
        similarity, transform: how two embeddings are compared.
        closed_set, open_set: None where the lists have no such set.
        trials: what each of several trials has measured; None for one trial.
        at_threshold: FPIR and FNIR at a calibrated threshold, where one was given.
        embeddings, flip: the embeddings file, and what it says of mirrored images.
        rendered: whether the faces are rendered ones, of people who do not exist.
        audit: what less careful evaluations print of the same searches, where it was asked for.
        groups: error rates of groups of people, where a file of groups was given.
        curves: CMC and DIR against FAR, for figures.
    """

    spread_is: ClassVar[str] = "the standard deviation over trials"

    protocol: str
    fuse: str = "best"
    open_gallery: str | None = left_out()
    similarity: str = "cosine"
    transform: str = "none"
    closed_set: ClosedSet | None = left_out()
    open_set: OpenSet | None = left_out()
    trials: tuple[IdentificationTrial, ...] | None = left_out()
    at_threshold: AtThreshold | None = left_out()
    embeddings: str | None = None
    flip: str | None = None
    rendered: bool | None = left_out()
    audit: Audit | None = left_out()
    groups: Groups | None = left_out()
    curves: Curves | None = left_out()

    @classmethod
    def is_in(cls, content: Mapping[str, Any]) -> bool:
        opened = content.get("open_set")
        return content.get("closed_set") is not None or (isinstance(opened, dict) and "gallery" in opened)

    def figures(self) -> list[Figure]:
        found = []
        lfw = self.protocol == "lfw-identification" and not self.rendered
        if closed := self.closed_set:
            sizes = {"closed gallery": closed.gallery, "closed probes": closed.probes}
            spreads, ends = closed.rank_std or {}, closed.rank_interval or {}
            found = [
                Figure(f"Rank-{k}", rate, spreads.get(k), ends.get(k), lfw and sizes == LFW_CLOSED_SET)
                for k, rate in closed.rank.items()
            ]
        if opened := self.open_set:
            sizes = {
                "open gallery": opened.gallery,
                "genuine probes": opened.genuine,
                "impostors": opened.impostors,
            }
            official = lfw and sizes == LFW_OPEN_SET
            found += [
                Figure(point.name, point.dir, point.std, point.confidence_interval, official)
                for point in opened.dir
            ]
        return found

    def trials_of(self, figure: Figure) -> int | None:
        if figure.name.startswith("Rank"):
            return round(self.closed_set.probes) if self.closed_set else None
        return round(self.open_set.genuine) if self.open_set else None

    def description(self) -> str:
        parts = []
        if closed := self.closed_set:
            parts.append(f"closed set: gallery {closed.gallery:,}, probes {closed.probes:,}")
        if opened := self.open_set:
            sizes = f"gallery {opened.gallery:,}, genuine {opened.genuine:,}, impostors {opened.impostors:,}"
            parts.append(f"open set: {sizes}")
        return "; ".join(parts)

    def table(self, width: int = WIDTH) -> str:
        lines = [f"{self.protocol}, {counted(len(self.trials or [self]), 'trial')}"]
        if closed := self.closed_set:
            lines.append(f"closed set: gallery {closed.gallery}, probes {closed.probes}")
            spreads, ends = closed.rank_std or {}, closed.rank_interval or {}
            rows: list[tuple[str, ...]] = [("", "rate", "95 % interval")]
            for k, rate in closed.rank.items():
                rows.append((f"Rank-{k}", mean_and_spread(rate, spreads.get(k)), interval(ends.get(k))))
            lines.append(columns(rows, width=width))
        if opened := self.open_set:
            sizes = f"gallery {opened.gallery}, genuine {opened.genuine}, impostors {opened.impostors}"
            lines.append(wrapped(f"open set: {sizes}", width))
            rows = [("FAR", "DIR (rank 1)", "95 % interval", "achieved FAR", "threshold", "FNIR")]
            for point in opened.dir:
                found = (mean_and_spread(point.dir, point.std), interval(point.confidence_interval))
                achieved = percent(point.achieved_far, 3)
                rest = (achieved, f"{point.threshold:.4f}", percent(1 - point.dir))
                rows.append((f"{100 * point.far:g} %", *found, *rest))
            lines.append(columns(rows, width=width))
            fars = [point.far for point in opened.dir]
            lines += unresolved(fars, opened.impostors, "FPIR", "impostors", width)
        if self.at_threshold:
            lines.append(self.at_threshold.lines(width))
        if self.audit:
            lines.append(self.audit.table(width))
        if self.groups:
            lines.append(self.groups.table(width))
        return "\n".join(lines)
