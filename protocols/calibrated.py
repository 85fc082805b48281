"""Whether a system knows how sure it may be: scores made into probabilities, compared with the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nsface.errors import DataError
from nsface.metrics.calibration import calibration, platt
from nsface.results.measures import Bin, Calibration

if TYPE_CHECKING:
    from nsface.protocols.scored_pairs import ScoredPairs

METHOD = "Platt scaling, fitted on the other folds"


def calibrate(measured: ScoredPairs) -> Calibration:
    """Calibration of the decisions of all folds, each by a logistic curve fitted on the pairs of the others.

    A decision is "same" where its probability is at least a half, and its confidence is the probability of
    what was decided. Bins without a decision are left out.

    Raises:
        DataError: a list without folds.
    """
    trials = measured.trials
    if measured.kfold is None:
        raise DataError(f"{trials.source}: a calibration is fitted on training folds, and this list has none")
    probability = np.empty(len(trials))
    for f, number in enumerate(np.unique(trials.fold)):
        scores = measured.scores if measured.by_fold is None else measured.by_fold[f]
        held_out = trials.fold == number
        fitted = platt(scores[~held_out], trials.same[~held_out])
        probability[held_out] = fitted.probability(scores[held_out])
    decided = probability >= 0.5
    found = calibration(np.where(decided, probability, 1 - probability), decided == trials.same)
    bins = zip(found.count.tolist(), found.confidence.tolist(), found.accuracy.tolist(), strict=True)
    return Calibration(METHOD, found.error, tuple(Bin(*values) for values in bins if values[0]))
