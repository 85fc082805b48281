"""The curves of what was measured, thinned to a number of points.

Points of a curve are left out, never interpolated: each that is there was attained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nsface.metrics.identification import cmc, dir_curve
from nsface.metrics.roc import Roc, det
from nsface.results.curves import Curves, DetCurve, DirCurve, Histogram, RocCurve, WrongPair

if TYPE_CHECKING:
    from nsface.protocols.identification import MeasuredTrial
    from nsface.protocols.scored_pairs import ScoredPairs

BINS = 50
RANKS = 50
WORST = 8  # errors of each kind
POINTS = 120  # of a curve in JSON
DIGITS = 6

Floats = npt.NDArray[np.float64]


def verification_curves(measured: ScoredPairs, points: int = POINTS) -> Curves:
    """ROC, histogram of scores in 50 bins, and the worst errors, none where there is no threshold."""
    same = measured.trials.same
    return Curves(
        roc=roc_curve(measured.curve, points),
        histogram=histogram(measured.scores, same),
        worst_errors=_worst(measured) if measured.folds else (),
    )


def roc_curve(curve: Roc, points: int = POINTS) -> RocCurve:
    """For each FAR kept the highest TAR."""
    impostors = int(curve.accepted_impostors[-1])
    kept = _kept(impostors, points) / impostors
    return RocCurve(_rounded(kept, _far_digits(impostors)), _rounded(_highest(curve.far, curve.tar, kept)))


def histogram(scores: npt.NDArray[np.floating], same: npt.NDArray[np.bool_]) -> Histogram:
    """Counts of (P,) `scores` of both kinds in 50 bins."""
    low, high = score_range(scores)
    genuine, impostor = (np.histogram(scores[kind], BINS, (low, high))[0].tolist() for kind in (same, ~same))
    return Histogram(low, high, tuple(genuine), tuple(impostor))


def score_range(scores: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Where a histogram of `scores` begins and ends; apart even where they differ by rounding only."""
    low, high = float(scores.min()), float(scores.max())
    return low, max(high, low + 1e-6 * max(1.0, abs(low)))


def identification_curves(measured: Sequence[MeasuredTrial], points: int = POINTS) -> Curves:
    """CMC to rank 50 and DIR–FAR at rank 1, means over the trials, whichever were measured."""
    closed = [m.closed for m in measured if m.closed is not None]
    opened = [m.open for m in measured if m.open is not None]
    ranks = curve = None
    if closed:
        ranks = _rounded(np.mean([cmc(found.rank, RANKS) for found in closed], axis=0))
    if opened:
        impostors = len(opened[0].impostors)
        far = _kept(impostors, points) / impostors
        mean = np.mean([_highest(*dir_curve(open_set), far) for open_set in opened], axis=0)
        curve = DirCurve(_rounded(far, _far_digits(impostors)), _rounded(mean))
    return Curves(cmc=ranks, dir_far=curve)


def det_curve(scores: Floats, same: npt.NDArray[np.bool_], points: int) -> DetCurve:
    """Both error rates of (P,) `scores`, evenly thinned. Figures have it; JSON does not."""
    curve = det(scores, same)
    seen = np.unique(np.linspace(0, len(curve.far) - 1, points).astype(np.int64))
    return DetCurve(tuple(curve.far[seen].tolist()), tuple(curve.frr[seen].tolist()))


def _worst(measured: ScoredPairs) -> tuple[WrongPair, ...]:
    trials = measured.trials
    return tuple(
        WrongPair(
            trials.left[i], trials.right[i], bool(trials.same[i]), round(float(measured.scores[i]), DIGITS)
        )
        for i in measured.worst_errors(WORST).tolist()
    )


def _rounded(rates: Floats, digits: int = DIGITS) -> tuple[float, ...]:
    return tuple(round(rate, digits) for rate in rates.tolist())


def _far_digits(impostors: int) -> int:
    """Decimals that tell the smallest FAR apart from the next, however many `impostors` there are."""
    return max(DIGITS, math.ceil(math.log10(impostors)) + 2)


def _kept(impostors: int, points: int) -> npt.NDArray[np.int64]:
    """Counts of accepted impostors from 0 to all of them, evenly spaced on a logarithmic axis."""
    spaced = np.geomspace(1, impostors, points - 1).round().astype(np.int64)
    return np.unique(np.append(0, spaced))


def _highest(far: Floats, rate: Floats, kept: Floats) -> Floats:
    """The highest `rate` attained at a FAR not above each of `kept`; `far` and `rate` ascend."""
    places = np.searchsorted(far, kept + 1e-12, side="right") - 1
    return np.asarray(rate[places])
