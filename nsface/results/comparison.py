"""Results of comparing two systems on the same trials: each difference with its interval and its tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import Field

from nsface.results.base import Result
from nsface.results.text import WIDTH, columns, interval, p_value, percent, wrapped
from nsface.results.values import Count, Interval, Number, Share, left_out

Two = tuple[Number, Number]
Name = Annotated[str, Field(pattern=r"^[^\x00]*$")]
SHORT = 10  # the longest name of a system that is the title of a column
SHOWN = 8  # disagreements in the table
C = TypeVar("C", bound="Comparison")


@dataclass(frozen=True)
class Difference:
    """A difference of two systems by one test, first less second.

    Attributes:
        what: that differs: `accuracy`, `Rank-1`, `DIR at FAR 1 %`, …
        test: the test's name.
        values: of both systems; None in files that do not have them.
        interval: 95 %; None where the test has none.
        p: two-sided; None where it could not be tested.
        trusted: whether the test takes into account who is in which trials.
    """

    what: str
    test: str
    values: Two | None
    difference: float
    interval: Interval | None
    p: float | None
    trusted: bool


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """How many trials exactly one system has right, and what McNemar's test makes of it."""

    only_first: Count = 0
    only_second: Count = 0
    exact: Share | None = None
    mid_p: Share


@dataclass(frozen=True, kw_only=True)
class IdentityAware:
    """A difference with an interval and a test that know who is in which trials, and McNemar's test."""

    difference: Number
    identity_interval: Interval | None = None
    identity_p_value: Share | None = None
    mcnemar: McNemar

    def cells(self) -> tuple[str, str, str]:
        """Difference, interval and p for a table."""
        ends = interval(self.identity_interval)
        return percent(self.difference), ends, p_value(self.identity_p_value)

    def tested(self, what: str, values: Two | None) -> list[Difference]:
        """The difference of `what`, once by each test."""
        aware = Difference(
            what,
            "identity-aware",
            values,
            self.difference,
            self.identity_interval,
            self.identity_p_value,
            True,
        )
        return [
            aware,
            replace(aware, test="McNemar, mid-p", interval=None, p=self.mcnemar.mid_p, trusted=False),
        ]


@dataclass(frozen=True, kw_only=True)
class Rank1Difference(IdentityAware):
    """Rank-1 of both systems."""

    first_keys: ClassVar = ("rank_1",)
    rank_1: Two | None = None


@dataclass(frozen=True, kw_only=True)
class TarDifference(IdentityAware):
    """TAR of both systems at a FAR, each at its own threshold."""

    first_keys: ClassVar = ("far", "tar")
    far: Share
    tar: Two | None = None

    @property
    def name(self) -> str:
        return f"TAR at FAR {100 * self.far:g} %"


@dataclass(frozen=True, kw_only=True)
class DirDifference:
    """DIR of both systems at a FAR, compared by a paired bootstrap of people."""

    far: Share
    dir: Two | None = None
    difference: Number
    confidence_interval: Interval
    p_value: Share
    test: str

    @property
    def name(self) -> str:
        return f"DIR at FAR {100 * self.far:g} %"


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A pair that exactly one system decides rightly: the first (1) or the second (2)."""

    left: str
    right: str
    same: bool
    scores: Two
    right_system: Count


class Comparison(Result):
    """What two systems, called `systems`, differ in."""

    systems: tuple[Name, Name] | None

    def named(self: C, first: str, second: str) -> C:
        """The same with names for both systems."""
        return replace(self, systems=(first, second))  # type: ignore[type-var]

    def differences(self) -> list[Difference]:
        """All differences, each by each of its tests."""
        raise NotImplementedError

    def _titles(self) -> tuple[tuple[str, str], list[str]]:
        """Titles of the systems' columns, and the lines that explain `first` and `second`, for long names."""
        first, second = self.systems or ("first", "second")
        if max(len(first), len(second)) <= SHORT:
            return (first, second), []
        return ("first", "second"), [f"  first:  {first}", f"  second: {second}"]


@dataclass(frozen=True, kw_only=True)
class VerificationComparison(Comparison):
    """The difference in accuracy: by people, by a paired t test over folds, and by McNemar's test.

    Attributes:
        disagreements: all pairs that exactly one system decides rightly.
    """

    protocol: str
    pairs: Count = 0
    accuracy: Two | None = None
    difference: Number
    confidence_interval: Interval
    p_value: Share
    test: str
    identity_interval: Interval | None = None
    identity_p_value: Share | None = None
    mcnemar: McNemar
    disagreements: tuple[Disagreement, ...] = ()
    systems: tuple[Name, Name] | None = None

    def differences(self) -> list[Difference]:
        aware, mcnemar = self._by_people().tested("accuracy", self.accuracy)
        folds = replace(
            aware, test=self.test, interval=self.confidence_interval, p=self.p_value, trusted=False
        )
        return [aware, folds, mcnemar]

    def _by_people(self) -> IdentityAware:
        return IdentityAware(
            difference=self.difference,
            identity_interval=self.identity_interval,
            identity_p_value=self.identity_p_value,
            mcnemar=self.mcnemar,
        )

    def table(self, width: int = WIDTH) -> str:
        titles, legend = self._titles()
        shares = tuple(map(percent, self.accuracy or (None, None)))
        rows: list[Sequence[str]] = [("accuracy", *titles, "difference", "95 % interval", "p")]
        if self.identity_interval:
            rows.append(("identity-aware", *shares, *self._by_people().cells()))
        folds = (percent(self.difference), interval(self.confidence_interval), p_value(self.p_value))
        rows.append((self.test, *shares, *folds))
        counts = self.mcnemar
        lines = [
            f"{self.protocol}: {self.pairs} pairs",
            *legend,
            columns(rows, width=width),
            f"  only {titles[0]} right: {counts.only_first}; only {titles[1]} right: {counts.only_second}",
            f"  McNemar's test: exact p {p_value(counts.exact)}, mid-p {p_value(counts.mid_p)}",
        ]
        if self.disagreements:
            lines += self._disagreements(titles, width)
        return "\n".join(lines)

    def _disagreements(self, titles: tuple[str, str], width: int) -> list[str]:
        shown = self.disagreements[:SHOWN]
        count = f"{len(shown)} of the {len(self.disagreements)}" if len(shown) == SHOWN else str(len(shown))
        rows: list[Sequence[str]] = [("left", "right", "same", *titles, "right is")]
        for pair in shown:
            scores = [f"{score:.4f}" for score in pair.scores]
            right = titles[pair.right_system - 1]
            rows.append((pair.left, pair.right, "yes" if pair.same else "no", *scores, right))
        title = wrapped(f"  {count} pairs that only one of them has right (all with --json):", width)
        return [title, columns(rows, indent="    ", width=width)]


@dataclass(frozen=True, kw_only=True)
class IdentificationComparison(Comparison):
    """The differences in Rank-1 and in DIR, whichever both systems measured."""

    protocol: str = "identification"
    rank_1: Rank1Difference | None = left_out()
    dir: tuple[DirDifference, ...] | None = left_out()
    systems: tuple[Name, Name] | None = None

    def differences(self) -> list[Difference]:
        found = self.rank_1.tested("Rank-1", self.rank_1.rank_1) if self.rank_1 else []
        for point in self.dir or ():
            ends = point.confidence_interval
            found.append(
                Difference(point.name, point.test, point.dir, point.difference, ends, point.p_value, True)
            )
        return found

    def table(self, width: int = WIDTH) -> str:
        titles, legend = self._titles()
        rows: list[Sequence[str]] = [("", *titles, "difference", "95 % interval", "p")]
        if rank := self.rank_1:
            rows.append(("Rank-1", *map(percent, rank.rank_1 or (None, None)), *rank.cells()))
        for point in self.dir or ():
            shares = map(percent, point.dir or (None, None))
            ends = interval(point.confidence_interval)
            rows.append((point.name, *shares, percent(point.difference), ends, p_value(point.p_value)))
        return "\n".join(["ident", *legend, columns(rows, width=width)])


@dataclass(frozen=True, kw_only=True)
class TemplateComparison(Comparison):
    """The differences in TAR over the same template pairs."""

    protocol: str = "ijb"
    pairs: Count = 0
    genuine: Count = 0
    people: Count = 0
    tar_at_far: tuple[TarDifference, ...]
    systems: tuple[Name, Name] | None = None

    def differences(self) -> list[Difference]:
        return [found for point in self.tar_at_far for found in point.tested(point.name, point.tar)]

    def table(self, width: int = WIDTH) -> str:
        titles, legend = self._titles()
        rows: list[Sequence[str]] = [
            ("TAR at FAR", *titles, "difference", "95 % interval", "p", "p (McNemar)")
        ]
        for point in self.tar_at_far:
            shares = map(percent, point.tar or (None, None))
            rows.append((f"{point.far:g}", *shares, *point.cells(), p_value(point.mcnemar.mid_p)))
        head = f"{self.protocol}: {self.pairs} pairs, {self.genuine} genuine of {self.people} people"
        return "\n".join([head, *legend, columns(rows, width=width)])


def comparison_class(content: dict[str, Any]) -> type[Comparison]:
    """Which comparison a JSON object describes."""
    if content.get("tar_at_far") is not None:
        return TemplateComparison
    if content.get("rank_1") is not None or content.get("dir") is not None:
        return IdentificationComparison
    return VerificationComparison
