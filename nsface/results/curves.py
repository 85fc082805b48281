"""The numbers behind the figures of a result, few enough to stand in its JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, model_validator

from nsface.checked import Count, Share
from nsface.results.values import Number, left_out

Shares = Annotated[tuple[Share, ...], Field(min_length=1)]
Counts = Annotated[tuple[Count, ...], Field(min_length=1)]


def _check_curve(far: tuple[float, ...], rate: tuple[float, ...]) -> None:
    if len(rate) != len(far) or not any(far):
        raise ValueError("a curve needs a rate for each FAR, and one above 0")


@dataclass(frozen=True)
class RocCurve:
    """(K,) values of FAR, ascending, and the highest TAR that is attained at each."""

    far: Shares
    tar: Shares

    @model_validator(mode="after")
    def check(self) -> RocCurve:
        _check_curve(self.far, self.tar)
        return self


@dataclass(frozen=True)
class DirCurve:
    """(K,) values of FAR, ascending, and the highest DIR at rank 1 that is attained at each."""

    far: Shares
    dir: Shares

    @model_validator(mode="after")
    def check(self) -> DirCurve:
        _check_curve(self.far, self.dir)
        return self


@dataclass(frozen=True)
class DetCurve:
    """(K,) false accept rates, and the false reject rate at the same threshold as each."""

    far: Shares
    frr: Shares

    @model_validator(mode="after")
    def check(self) -> DetCurve:
        _check_curve(self.far, self.frr)
        return self


@dataclass(frozen=True)
class Histogram:
    """Counts of genuine and of impostor scores in bins of equal width from `low` to `high`."""

    low: Number
    high: Number
    genuine: Counts
    impostor: Counts

    @model_validator(mode="after")
    def check(self) -> Histogram:
        if not self.high - self.low > 1e-12:
            raise ValueError("a histogram's high must be above its low")
        return self


@dataclass(frozen=True)
class WrongPair:
    """A pair that was decided wrongly: its images, whether they show one person, and its score."""

    left: str
    right: str
    same: bool
    score: Number


@dataclass(frozen=True, kw_only=True)
class Curves:
    """The curves of a result. What was not measured is None.

    Attributes:
        roc, histogram: of verification.
        cmc: of closed-set identification: the rates at rank 1, 2, …
        dir_far: of open-set identification.
        worst_errors: wrong pairs of one person, then of different people; in each kind the furthest on the
            wrong side of the threshold first.
        det: for figures only; it is not written into JSON.
    """

    roc: RocCurve | None = left_out()
    histogram: Histogram | None = left_out()
    worst_errors: tuple[WrongPair, ...] | None = left_out()
    cmc: Shares | None = left_out()
    dir_far: DirCurve | None = left_out()
    det: DetCurve | None = field(default=None, metadata={"hidden": True})
