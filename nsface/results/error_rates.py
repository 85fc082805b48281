"""The same operating points in the words of ISO/IEC 19795 and NIST: FNMR at FMR, FNIR at FPIR.

FMR is FAR, and FNMR is 1 − TAR at the same threshold (1:1). FPIR is the FAR of an open set, and FNIR at rank
1 is 1 − DIR (1:N). Nothing is measured here: each point is made from the rate that a result holds, and so it
is written into JSON and never read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nsface.checked import Count, Share
from nsface.errors import joined
from nsface.results.text import WIDTH, wrapped
from nsface.results.values import Interval, Number, exact, left_out, rounded

if TYPE_CHECKING:
    from nsface.results.identification import DirAtFar
    from nsface.results.measures import AttainedTar

RULE_OF_3 = 3  # no error in n trials: the rate is below 3 / n with 95 % certainty


@dataclass(frozen=True, kw_only=True)
class FnmrAtFmr:
    """FNMR (false non-match rate) at the largest attainable FMR (false match rate) not above a given one.

    Attributes:
        fmr: the FMR that was asked for.
        fnmr: share of the genuine pairs that are refused at `threshold`.
        achieved_fmr: share of the impostor pairs that are accepted there.
        threshold: "same" is score ≥ threshold.
        impostors: the number of impostor pairs.
        resolved: whether so many can tell such an FMR from 0 (rule of 3): `fmr` ≥ 3 / `impostors`.
        fnmr_interval, fmr_interval: of both rates at the threshold, 95 %, identity-aware.
    """

    fmr: Share
    fnmr: Share
    achieved_fmr: Share
    threshold: Number = exact()
    impostors: Count
    resolved: bool
    fnmr_interval: Interval | None = None
    fmr_interval: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class FnirAtFpir:
    """FNIR (false negative identification rate) at rank 1 and a given FPIR (false positive one).

    Attributes:
        fpir: the FPIR that was asked for.
        rank: 1.
        fnir: share of the genuine probes whose person does not score best, or scores below `threshold`.
        std: standard deviation over trials (ddof=1).
        achieved_fpir: share of the impostors that are accepted for anybody at `threshold`.
        threshold: over several trials their mean.
        resolved: whether the impostors can tell such an FPIR from 0 (rule of 3).
        fnir_interval: 95 %, from bootstrap samples of people; None over several trials.
    """

    fpir: Share
    rank: Count
    fnir: Share
    std: Share | None = left_out()
    threshold: Number = exact()
    achieved_fpir: Share
    resolved: bool
    fnir_interval: Interval | None = left_out()


class WithFnmr:
    """A result with `tar_at_far`, whose JSON has `fnmr_at_fmr` after it."""

    derived: ClassVar[Mapping[str, str]] = {"tar_at_far": "fnmr_at_fmr"}
    tar_at_far: tuple[AttainedTar, ...]

    @property
    def fnmr_at_fmr(self) -> tuple[FnmrAtFmr, ...]:
        """FNMR at each FMR, from `tar_at_far`."""
        return tuple(map(fnmr_of, self.tar_at_far))


def fnmr_of(point: AttainedTar) -> FnmrAtFmr:
    """The FNMR and the FMR of a TAR at a FAR."""
    return FnmrAtFmr(
        fmr=point.far,
        fnmr=_missed(point.tar),
        achieved_fmr=point.achieved_far,
        threshold=point.threshold,
        impostors=point.impostors,
        resolved=is_resolved(point.far, point.impostors),
        fnmr_interval=_of_errors(getattr(point, "identity_interval", None)),
        fmr_interval=getattr(point, "far_identity_interval", None),
    )


def fnir_of(point: DirAtFar, impostors: float) -> FnirAtFpir:
    """The FNIR and the FPIR of a DIR at a FAR, over so many impostors."""
    return FnirAtFpir(
        fpir=point.far,
        rank=point.rank,
        fnir=_missed(point.dir),
        std=point.std,
        achieved_fpir=point.achieved_far,
        threshold=point.threshold,
        resolved=is_resolved(point.far, impostors),
        fnir_interval=_of_errors(point.confidence_interval),
    )


def _missed(rate: float) -> float:
    """1 − `rate`, of the digits that JSON has: so it does not change when the rate is read back."""
    return 1 - rounded(rate)


def _of_errors(ends: Interval | None) -> Interval | None:
    """The interval of 1 − a rate."""
    return None if ends is None else (_missed(ends[1]), _missed(ends[0]))


def is_resolved(far: float, impostors: float) -> bool:
    """Whether so many `impostors` can tell a false accept rate from 0, by the rule of 3.

    Example:
        >>> is_resolved(0.001, 3000), is_resolved(0.001, 2999)
        (True, False)
    """
    return far * impostors >= RULE_OF_3 * (1 - 1e-12)


def unresolved(
    fars: Iterable[float], impostors: float, rate: str, what: str, width: int = WIDTH
) -> Sequence[str]:
    """The line below a table that says which of `fars` the impostors cannot resolve; none where they can.

    Args:
        rate: `FMR` or `FPIR`.
        what: the impostors in words.

    Example:
        >>> print(*unresolved([0.1, 0.001], 300, "FMR", "impostor pairs"))
          300 impostor pairs cannot resolve an FMR below 1 % (rule of 3), such as 0.1 %
    """
    low = [f"{100 * far:g} %" for far in fars if not is_resolved(far, impostors)]
    if not low:
        return ()
    least, count = f"{100 * min(1.0, RULE_OF_3 / impostors):.3g}", f"{impostors:,.10g}"
    return (
        wrapped(
            f"  {count} {what} cannot resolve an {rate} below {least} % (rule of 3), such as {joined(low)}",
            width,
        ),
    )
