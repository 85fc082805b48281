"""Scored pairs: what a verification protocol has measured, before it becomes a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface import results
from nsface.embeddings.file import Embeddings
from nsface.errors import DataError
from nsface.metrics.roc import Roc, TarAtFar, auc, eer
from nsface.metrics.shared_people import SharedPeople, rate_interval, shared_people
from nsface.metrics.similarity import Similarity
from nsface.metrics.statistics import wilson_interval
from nsface.metrics.verification import Fold, KFold, choice_variance
from nsface.protocols.curves import POINTS, det_curve, verification_curves
from nsface.protocols.protocol import Measurement, scored_embeddings
from nsface.protocols.transforms import Transform
from nsface.protocols.trials import Trials
from nsface.results.audit import Audit
from nsface.results.curves import Curves
from nsface.results.groups import Groups
from nsface.results.measures import Calibration, Corrected
from nsface.results.threshold import AtThreshold

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ScoredPairs(Measurement):
    """P pairs with their scores, and what was measured of them.

    Attributes:
        protocol: its name, as in results.
        trials: the pairs.
        scores: (P,) each pair's score, by the transform fitted without its fold.
        kfold: accuracy over folds; without folds None.
        held_out: accuracy of a list without folds at the threshold of a training list; else None.
        curve: the ROC of `scores`, all folds together.
        tar_at_far: one entry for each FAR asked for.
        by_fold: (K, P) where a transform was fitted: row f scores all pairs by the one without the f-th fold.
        embeddings: what was scored; None where the scores were computed elsewhere.
        details: further keys of the result.
        calibration: of decisions by probability, where it was asked for.
        corrected: the same pairs with corrected labels, where there are some.
        audit: less careful figures, where they were asked for.
        fitted_on_all: (P,) scores by a transform fitted on all pairs; for an audit only.
        at_threshold: the rates at a calibrated threshold, where one was given.
        groups: error rates of groups of people, where they were asked for.
    """

    protocol: str
    trials: Trials
    scores: Floats
    kfold: KFold | None
    held_out: Fold | None
    curve: Roc
    tar_at_far: tuple[TarAtFar, ...]
    similarity: Similarity
    transform: Transform
    by_fold: Floats | None = None
    embeddings: Embeddings | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None
    corrected: ScoredPairs | None = None
    audit: Audit | None = None
    fitted_on_all: Floats | None = None
    at_threshold: AtThreshold | None = None
    groups: Groups | None = None
    notes: Sequence[str] = ()

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The held-out folds; none where accuracy could not be measured."""
        return self.kfold.folds if self.kfold else (self.held_out,) if self.held_out else ()

    def decisions(self) -> Booleans:
        """(P,) whether each pair was called the same person, at its own fold's threshold."""
        return np.asarray(self.scores >= self.thresholds())

    def thresholds(self) -> Floats:
        """(P,) the threshold of each pair's fold.

        Raises:
            DataError: the list has no folds.
        """
        if not self.folds:
            raise DataError(
                f"{self.trials.source}: without folds there is no threshold to decide with; add a fold column"
            )
        return np.array([fold.threshold for fold in self.folds])[self.trials.fold_place]

    def worst_errors(self, count: int) -> npt.NDArray[np.int64]:
        """Places of at most `count` wrong pairs of each kind, of one person first, then of different people.

        In each kind the furthest on the wrong side of the threshold comes first.
        """
        same, margin = self.trials.same, np.abs(self.scores - self.thresholds())
        wrong = self.decisions() != same
        kinds = [np.flatnonzero(wrong & (same == kind)) for kind in (True, False)]
        worst = [places[np.argsort(-margin[places], kind="stable")][:count] for places in kinds]
        return np.concatenate(worst)

    def result(self) -> results.Verification:
        return results.Verification(
            **self._measures(),
            protocol=self.protocol,
            pairs=len(self.trials),
            genuine=int(self.trials.same.sum()),
            similarity=self.similarity,
            transform=self.transform.name,
            **scored_embeddings(self.embeddings),
            details=self.details,
            calibration=self.calibration,
            audit=self.audit,
            errata_corrected=self._correction(),
            at_threshold=self.at_threshold,
            groups=self.groups,
            curves=verification_curves(self),
        )

    def curves(self, name: str, points: int = POINTS) -> dict[str, Curves]:
        det = det_curve(self.scores, self.trials.same, points)
        return {name: replace(verification_curves(self, points), det=det)}

    def shared(self, kind: Booleans | None = None) -> SharedPeople | None:
        """Which pairs (of a `kind`, (P,) booleans) share people; None where names cannot tell.

        People are the folders of the names.
        """
        people = self.trials.people
        if people is None:
            return None
        return shared_people(*(people if kind is None else (side[kind] for side in people)))

    def weights(self) -> Floats:
        """(P,) of the pairs in the accuracy, a mean over folds: equal where folds are of one size."""
        sizes = np.array([fold.pairs for fold in self.folds])
        return 1.0 / sizes[self.trials.fold_place]

    def choice_variance(self) -> float:
        """What choosing thresholds adds to the variance of the accuracy; 0 where they are given."""
        if self.kfold is None:
            return 0.0
        return choice_variance(self.scores, self.trials.same, self.decisions() == self.trials.same)

    def _correction(self) -> Corrected | None:
        if self.corrected is None:
            return None
        changed = int((self.trials.same != self.corrected.trials.same).sum())
        return Corrected(labels_changed=changed, **self.corrected._measures())

    def _measures(self) -> dict[str, Any]:
        """The fields of `results.measures.Measures`."""
        return {
            **self._accuracy(),
            "folds": tuple(results.Fold(**asdict(fold)) for fold in self.folds),
            "auc": auc(self.curve),
            "eer": eer(self.curve),
            "tar_at_far": self._rates(),
        }

    def _accuracy(self) -> dict[str, Any]:
        if not self.folds:
            return dict.fromkeys(("accuracy", "standard_error", "confidence_interval"))
        shared, aware = self.shared(), None
        if shared:
            right = self.decisions() == self.trials.same
            added = self.choice_variance()
            aware = rate_interval(right, shared, weights=self.weights(), added=added)
        if self.kfold:
            custom: dict[str, Any] = {
                "accuracy": self.kfold.accuracy,
                "standard_error": self.kfold.standard_error,
                "confidence_interval": self.kfold.confidence_interval,
                "interval": "95 %, Student's t over folds",
            }
        else:
            (fold,) = self.folds
            independent = wilson_interval(round(fold.accuracy * fold.pairs), fold.pairs)
            custom = {
                "accuracy": fold.accuracy,
                "standard_error": None,
                "confidence_interval": aware or independent,
                "interval": "95 %, Wilson, identity-aware" if aware else "95 %, Wilson, pairs as independent",
            }
        return custom | {"identity_interval": aware}

    def _rates(self) -> tuple[results.TarAtFar, ...]:
        """TAR at each FAR, with identity-aware Wilson intervals for TAR and FAR at its threshold."""
        same = self.trials.same
        genuine, impostors = self.shared(same), self.shared(~same)
        rates = []
        for point in self.tar_at_far:
            accepted = self.scores >= point.threshold
            of_tar = rate_interval(accepted[same], genuine) if genuine else None
            of_far = rate_interval(accepted[~same], impostors) if impostors else None
            rates.append(
                results.TarAtFar(**asdict(point), identity_interval=of_tar, far_identity_interval=of_far)
            )
        return tuple(rates)
