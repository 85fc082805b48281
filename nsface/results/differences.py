"""What comparisons consist of: differences of two systems, each with its interval and its tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import Field

from nsface.checked import Count, Share
from nsface.results.text import dir_at, interval, p_value, percent, tar_at
from nsface.results.values import Interval, Number

Two = tuple[Number, Number]


@dataclass(frozen=True)
class Difference:
    """A difference of two systems by one test, first less second.

    Attributes:
        what: the figure that differs: `accuracy`, `Rank-1`, `DIR at FAR 1 %`, …
        test: the name of the test.
        values: the figures of both systems, in [0, 1]; None in files that do not have them.
        difference: of the figures, in [−1, 1].
        interval: 95 %; None where the test has none.
        p: two-sided p-value; None where there is no test.
        trusted: whether the test takes into account which people are in which trials.
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
    """McNemar's test, which takes trials as independent.

    Attributes:
        only_first, only_second: trials that only that system decides rightly.
        exact: two-sided binomial p-value; None in files that do not have it.
        mid_p: the same with half the weight of the observed table.
    """

    only_first: Count = 0
    only_second: Count = 0
    exact: Share | None = None
    mid_p: Share


@dataclass(frozen=True, kw_only=True)
class IdentityAware:
    """A difference of two rates, first less second, by an identity-aware test and by McNemar's.

    Attributes:
        difference: in [−1, 1].
        identity_interval, identity_p_value: 95 % and two-sided, with the variance of trials that share
            people; None where names do not say who is who.
        mcnemar: which takes trials as independent.
    """

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
    """The difference in Rank-1; `rank_1` has the rates of both systems."""

    first_keys: ClassVar = ("rank_1",)
    rank_1: Two | None = None


@dataclass(frozen=True, kw_only=True)
class TarDifference(IdentityAware):
    """The difference in TAR at a FAR; `tar` has the rates of both systems, each at its own threshold."""

    first_keys: ClassVar = ("far", "tar")
    far: Share
    tar: Two | None = None

    @property
    def name(self) -> str:
        """`TAR at FAR 0.1 %`."""
        return tar_at(self.far)


@dataclass(frozen=True, kw_only=True)
class DirDifference:
    """The difference in DIR at rank 1 and a FAR, by a paired bootstrap of people.

    Attributes:
        far: the FAR that was asked for.
        dir: the rates of both systems, each at its own threshold.
        difference: in [−1, 1].
        confidence_interval, p_value: 95 % and two-sided, from the bootstrap.
        test: the name of the test.
    """

    far: Share
    dir: Two | None = None
    difference: Number
    confidence_interval: Interval
    p_value: Share
    test: str

    @property
    def name(self) -> str:
        """`DIR at FAR 1 %`."""
        return dir_at(self.far)


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A pair that exactly one system decides rightly.

    Attributes:
        left, right: its images.
        same: whether they show one person.
        scores: of both systems.
        right_system: the one that is right: 1 or 2.
    """

    left: str
    right: str
    same: bool
    scores: Two
    right_system: Annotated[int, Field(ge=1, le=2)]
