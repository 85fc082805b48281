"""The numbers behind the figures of a report, few enough to stand in a result's JSON.

Points of a curve are thinned, never interpolated: each was attained. Rates are fractions in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nsface.metrics.identification import cmc, dir_curve
from nsface.protocols.comparison import worst_errors

if TYPE_CHECKING:
    from nsface.protocols.identification import Measured
    from nsface.protocols.verification import Verification

BINS = 50
RANKS = 50
WORST = 8
POINTS = 120  # at most, of a curve
DIGITS = 6

Floats = npt.NDArray[np.float64]


def verification_curves(measured: Verification) -> dict[str, Any]:
    """ROC, histogram of scores, and the worst errors.

    Returns:
        `roc`: `far` and `tar`, for each FAR kept the highest TAR; `histogram`: `low` and `high` of the scores
        and, for 50 equal bins between them, the counts of `genuine` and `impostor` pairs; `worst_errors`:
        at most 8 pairs with `left`, `right`, `same` and `score`, none where there is no threshold.
    """
    same = measured.trials.same
    low, high = score_range(measured.scores)
    counts = [np.histogram(measured.scores[kind], BINS, (low, high))[0].tolist() for kind in (same, ~same)]
    far, tar = _thinned(measured.curve.far, measured.curve.tar, int((~same).sum()))
    return {
        "roc": {"far": far, "tar": tar},
        "histogram": {"low": low, "high": high, "genuine": counts[0], "impostor": counts[1]},
        "worst_errors": _worst(measured) if measured.folds else [],
    }


def score_range(scores: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Where a histogram of `scores` begins and ends; apart even where they differ by rounding only."""
    low, high = float(scores.min()), float(scores.max())
    return low, max(high, low + 1e-6 * max(1.0, abs(low)))


def identification_curves(measured: Sequence[Measured]) -> dict[str, Any]:
    """CMC and DIR–FAR, means over the trials, whichever were measured.

    Returns:
        `cmc`: rank-1 … rank-50 rates; `dir_far`: `far` and `dir` at rank 1.
    """
    curves: dict[str, Any] = {}
    closed = [m.closed for m in measured if m.closed is not None]
    if closed:
        mean = np.mean([cmc(found.rank, RANKS) for found in closed], axis=0)
        curves["cmc"] = [round(rate, DIGITS) for rate in mean.tolist()]
    opened = [m.open for m in measured if m.open is not None]
    if opened:
        far = _kept(len(opened[0].impostors)) / len(opened[0].impostors)
        mean = np.mean([_highest(*dir_curve(open_set), far) for open_set in opened], axis=0)
        rates = [[round(rate, DIGITS) for rate in row.tolist()] for row in (far, mean)]
        curves["dir_far"] = {"far": rates[0], "dir": rates[1]}
    return curves


def _worst(measured: Verification) -> list[dict[str, Any]]:
    trials = measured.trials
    return [
        {
            "left": trials.left[i],
            "right": trials.right[i],
            "same": bool(trials.same[i]),
            "score": round(float(measured.scores[i]), DIGITS),
        }
        for i in worst_errors(measured, WORST).tolist()
    ]


def _thinned(far: Floats, rate: Floats, impostors: int) -> tuple[list[float], list[float]]:
    kept = _kept(impostors) / impostors
    highest = _highest(far, rate, kept)
    return [round(x, DIGITS) for x in kept.tolist()], [round(y, DIGITS) for y in highest.tolist()]


def _kept(impostors: int) -> npt.NDArray[np.int64]:
    """Counts of accepted impostors from 0 to all of them, evenly spaced on a logarithmic axis."""
    spaced = np.geomspace(1, impostors, POINTS - 1).round().astype(np.int64)
    return np.unique(np.append(0, spaced))


def _highest(far: Floats, rate: Floats, kept: Floats) -> Floats:
    """The highest `rate` attained at a FAR not above each of `kept`; `far` and `rate` ascend."""
    places = np.searchsorted(far, kept + 1e-12, side="right") - 1
    return np.asarray(rate[places])
