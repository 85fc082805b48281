"""Results of comparing two systems on the same trials: each difference with its interval and its tests."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from nsface.checked import Count, Share
from nsface.results.base import Result
from nsface.results.differences import (
    Difference,
    DirDifference,
    Disagreement,
    IdentityAware,
    McNemar,
    Rank1Difference,
    TarDifference,
    Two,
)
from nsface.results.text import WIDTH, columns, interval, p_value, percent, wrapped
from nsface.results.values import Interval, Number, left_out

Name = Annotated[str, Field(pattern=r"^[^\x00]*$")]
SHORT = 10  # the longest name of a system that is the title of a column
SHOWN = 8  # disagreements in the table
C = TypeVar("C", bound="Comparison")


def system_names(first: str, second: str) -> tuple[str, str]:
    """What to call the systems in two files: the names of the files, or their paths where these are one."""
    stems = (Path(first).stem, Path(second).stem)
    return (first, second) if stems[0] == stems[1] else stems


class Comparison(Result):
    """How two systems differ on the same trials.

    Attributes:
        systems: the names of both; None where they have none.
    """

    systems: tuple[Name, Name] | None

    def named(self: C, first: str, second: str) -> C:
        """The same comparison with names for both systems."""
        return replace(self, systems=(first, second))  # type: ignore[type-var]

    @abstractmethod
    def differences(self) -> list[Difference]:
        """All differences that were measured, each once for each of its tests."""

    def _titles(self) -> tuple[tuple[str, str], list[str]]:
        """Titles of the systems' columns, and the lines that explain `first` and `second`, for long names."""
        first, second = self.systems or ("first", "second")
        if max(len(first), len(second)) <= SHORT:
            return (first, second), []
        return ("first", "second"), [f"  first:  {first}", f"  second: {second}"]


@dataclass(frozen=True, kw_only=True)
class VerificationComparison(Comparison):
    """The difference of two systems in accuracy, by three tests.

    Attributes:
        protocol, pairs: what both were scored on, and how many pairs it has.
        accuracy: of both systems.
        difference: first less second, in [−1, 1].
        confidence_interval, p_value, test: 95 % and two-sided, by the test named: a paired t test over folds,
            or over pairs where there is one list of pairs and one threshold for each system.
        identity_interval, identity_p_value: the same with the variance of pairs that share people; None where
            names do not say who is who. This is the one to trust.
        mcnemar: which takes pairs as independent.
        disagreements: all pairs that exactly one system decides rightly.
        systems: the names of both systems.
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
        plain = replace(
            aware, test=self.test, interval=self.confidence_interval, p=self.p_value, trusted=False
        )
        return [aware, plain, mcnemar]

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
        plain = (percent(self.difference), interval(self.confidence_interval), p_value(self.p_value))
        rows.append((self.test.removeprefix("paired "), *shares, *plain))  # fits 80 characters
        counts = self.mcnemar
        right = f"{titles[1]} right: {counts.only_second}"
        lines = [
            f"{self.protocol}: {self.pairs} pairs",
            *legend,
            columns(rows, width=width),
            wrapped(f"  only {titles[0]} right: {counts.only_first}; only {right}", width),
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
    """The difference of two systems in identification.

    Attributes:
        rank_1: in the closed set; None where the lists have none.
        dir: in the open set, one entry for each FAR; None where the lists have none.
        systems: the names of both systems.
    """

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
    """The difference of two systems in TAR, over the same pairs of templates.

    Attributes:
        pairs, genuine: pairs of templates, and how many of them are of one person.
        people: how many people the genuine pairs show.
        tar_at_far: one entry for each FAR.
        systems: the names of both systems.
    """

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
    """The class of the comparison that a JSON object describes."""
    if content.get("tar_at_far") is not None:
        return TemplateComparison
    if content.get("rank_1") is not None or content.get("dir") is not None:
        return IdentificationComparison
    return VerificationComparison
