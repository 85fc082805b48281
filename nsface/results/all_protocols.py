"""The result of all protocols whose lists lie in a folder: a row for each figure, and the full results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import GetPydanticSchema
from pydantic_core import core_schema

from nsface.checked import Count, Share
from nsface.results.base import Figure, Result
from nsface.results.comparison import Comparison
from nsface.results.official import RENDERED
from nsface.results.text import WIDTH, columns, interval, p_value, percent, wrapped
from nsface.results.values import Interval, Number, left_out, to_json

_ANY = GetPydanticSchema(lambda source, handler: core_schema.any_schema())  # which `read_result` reads itself
NONE = "–"
EXPLAINED = (
    "± is the standard error over folds, or the standard deviation over trials. Trials are pairs, or probes "
    "of people in the gallery. Only official figures, on the official list at its official size, can be "
    "compared with published ones."
)


@dataclass(frozen=True, kw_only=True)
class Score:
    """A figure of one protocol: a row of the table.

    Attributes:
        title: what was measured, such as `LFW View 2`.
        protocol: the name in the protocol's own result.
        figure: `accuracy`, `Rank-1`, `DIR at FAR 1 %`, …
        value, spread, interval: as in `Figure`.
        trials: on how many pairs or probes the value rests; None where that is not known.
        official: whether the list is the official one, of official size.
        lists: the files, or folders of trials.
        copies: those with the same content, which were not scored again.
    """

    title: str
    protocol: str
    figure: str
    value: Share | None
    spread: Share | None = None
    interval: Interval | None = None
    trials: Count | None = None
    official: bool = False
    lists: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NotRun:
    """Lists that were found and not scored.

    Attributes:
        title, lists: as in `Score`.
        reason: why, as a line.
        missing: how many of the images that they need are not there; None where that is not why.
    """

    title: str
    lists: tuple[str, ...] = ()
    reason: str
    missing: Count | None = None


@dataclass(frozen=True, kw_only=True)
class FamilyDifference:
    """A difference of two systems, one of the family that Holm's correction is for.

    Attributes:
        title, what: the protocol, and the figure.
        test: the name of the test.
        values: the figures of both systems.
        difference: first less second, in [−1, 1].
        interval: 95 %, not corrected.
        p, p_holm: two-sided, by itself and corrected for the size of the family.
    """

    title: str
    what: str
    test: str
    values: tuple[Number, Number] | None
    difference: Number
    interval: Interval | None
    p: Share
    p_holm: Share


@dataclass(frozen=True, kw_only=True)
class AllProtocols(Result):
    """What `nsface eval-all` has measured.

    Attributes:
        folder: where the lists were found.
        system: what was scored: the embeddings file, or the model.
        flip: what mirrored images were used for, where that is known.
        rendered: whether the faces are rendered ones, of people who do not exist.
        against: what it was compared with; None where it was not.
        scores: the rows of the table.
        differences: those from `against`, with Holm's correction.
        not_compared: why there is no difference for a protocol that was scored.
        not_run: the lists that were not scored.
        other_files: files that are no lists of a protocol.
        results: the full results, in the order of the table.
        comparisons: the full comparisons.
    """

    protocol: str = "all"
    folder: str = ""
    system: str = ""
    flip: str | None = None
    rendered: bool | None = left_out()
    against: str | None = left_out()
    scores: tuple[Score, ...] = ()
    differences: tuple[FamilyDifference, ...] | None = left_out()
    not_compared: tuple[NotRun, ...] | None = left_out()
    not_run: tuple[NotRun, ...] = ()
    other_files: tuple[str, ...] = ()
    results: Annotated[tuple[Result, ...], _ANY] = ()
    comparisons: Annotated[tuple[Comparison, ...] | None, _ANY] = left_out()

    @classmethod
    def is_in(cls, content: Mapping[str, Any]) -> bool:
        return bool(content["protocol"] == "all" and "results" in content)

    def to_json(self) -> dict[str, Any]:
        own = to_json(replace(self, results=(), comparisons=None))
        found = own | {"results": [one.to_json() for one in self.results]}
        if self.comparisons is not None:
            found["comparisons"] = [one.to_json() for one in self.comparisons]
        return found

    def figures(self) -> list[Figure]:
        return [
            Figure(f"{one.title}: {one.figure}", one.value, one.spread, one.interval, one.official)
            for one in self.scores
        ]

    def titled(self) -> dict[str, Result]:
        """The full results by their titles."""
        titles = dict.fromkeys(score.title for score in self.scores)
        return dict(zip(titles, self.results, strict=False))

    def description(self) -> str:
        return f"{len(self.results)} protocols"

    def table(self, width: int = WIDTH) -> str:
        rows: list[Sequence[str]] = [("per cent", "value", "95 % interval", "trials", "official")]
        for name, row in _named(self.scores):
            rows.append((name, *(_cells(row) if row else [""] * 4)))
        faces = RENDERED if self.rendered else ""
        lines = [wrapped(f"{self.system} on the lists in {self.folder}{faces}", width), _columns(rows, width)]
        lines.append(wrapped(f"  {EXPLAINED}", width))
        if self.differences:
            lines += self._difference_lines(width)
        for heading, listed in (("not compared", self.not_compared), ("not run", self.not_run)):
            if listed:
                lines += [f"{heading}:", *(wrapped(f"  {one.title}: {one.reason}", width) for one in listed)]
        return "\n".join(lines)

    def _difference_lines(self, width: int) -> list[str]:
        count = len(self.differences or ())
        title = f"difference from {self.against}, in points; p corrected by Holm for {count}"
        rows: list[Sequence[str]] = [("", "difference", "95 % interval", "p", "corrected")]
        for name, row in _named(self.differences or ()):
            if row is None:
                rows.append((name, *[""] * 4))
                continue
            ends = interval(row.interval).removesuffix(" %")
            rows.append((name, _bare(row.difference), ends, p_value(row.p), p_value(row.p_holm)))
        return [wrapped(title, width), _columns(rows, width)]


def _columns(rows: Sequence[Sequence[str]], width: int) -> str:
    """Columns without spaces at the end, where the title of several figures has no cells."""
    return "\n".join(line.rstrip() for line in columns(rows, width=width).split("\n"))


def _named(rows: Sequence[Any]) -> list[tuple[str, Any]]:
    """Each row with its name: the title, with the figure where that is not accuracy; the figures of a title
    with several stand below it, which then has no row."""
    found: list[tuple[str, Any]] = []
    titles = [row.title for row in rows]
    for row in rows:
        figure = row.figure if isinstance(row, Score) else row.what
        if titles.count(row.title) > 1:
            if not any(name == row.title for name, _ in found):
                found.append((row.title, None))
            found.append((f"  {figure}", row))
        else:
            found.append((row.title if figure == "accuracy" else f"{row.title}: {figure}", row))
    return found


def _cells(row: Score) -> list[str]:
    spread = f" ± {_bare(row.spread)}" if row.spread is not None else ""
    trials = NONE if row.trials is None else f"{row.trials:,}"
    ends = interval(row.interval).removesuffix(" %")
    return [_bare(row.value) + spread, ends, trials, "yes" if row.official else "no"]


def _bare(share: float | None) -> str:
    """Per cent without the sign, which the title of the table has."""
    return percent(share).removesuffix(" %")
