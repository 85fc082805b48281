"""Verification: trials and embeddings in, one result out. Shared by LFW, FGLFW, YTF and lists of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, shown
from nsface.metrics.roc import Roc, TarAtFar, auc, eer, roc, tar_at_far
from nsface.metrics.shared_people import SharedPeople, rate_interval, shared_people
from nsface.metrics.similarity import Similarity, pair_scores
from nsface.metrics.statistics import wilson_interval
from nsface.metrics.verification import (
    Fold,
    KFold,
    accuracy_at,
    best_threshold,
    choice_variance,
    kfold_accuracy,
)
from nsface.protocols.transforms import Transform
from nsface.protocols.trials import Trials

Floats = npt.NDArray[np.float64]
FARS = (1e-1, 1e-2, 1e-3)


@dataclass(frozen=True)
class Verification:
    """What a verification protocol measured.

    Attributes:
        protocol: its name, as in results.
        trials: the pairs.
        scores: (P,) each pair's score, by the transform fitted without its fold.
        kfold: accuracy over folds; without folds None.
        held_out: accuracy of a list without folds at the threshold of a training list; else None.
        curve: the ROC of `scores`, all folds together.
        tar_at_far: one entry for each FAR asked for.
        by_fold: (K, P) where a transform was fitted: row f scores all pairs by the one without the f-th fold.
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

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The held-out folds; none where accuracy could not be measured."""
        return self.kfold.folds if self.kfold else (self.held_out,) if self.held_out else ()

    def decisions(self) -> npt.NDArray[np.bool_]:
        """(P,) whether each pair was called the same person, at its own fold's threshold."""
        return np.asarray(self.scores >= self.thresholds())

    def thresholds(self) -> Floats:
        """(P,) the threshold of each pair's fold."""
        if not self.folds:
            raise DataError(
                f"{self.trials.source}: without folds there is no threshold to decide with; add a fold column"
            )
        return np.array([fold.threshold for fold in self.folds])[self.trials.fold_place]

    def result(self) -> dict[str, Any]:
        """The documented JSON object."""
        return {
            "protocol": self.protocol,
            "pairs": len(self.trials),
            "genuine": int(self.trials.same.sum()),
            **self._accuracy(),
            "folds": [asdict(fold) for fold in self.folds],
            "auc": auc(self.curve),
            "eer": eer(self.curve),
            "tar_at_far": self._rates(),
            "similarity": self.similarity,
            "transform": self.transform.name,
        }

    def shared(self, kind: npt.NDArray[np.bool_] | None = None) -> SharedPeople | None:
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

    def _accuracy(self) -> dict[str, Any]:
        if not self.folds:
            keys = ("accuracy", "standard_error", "confidence_interval", "interval", "identity_interval")
            return dict.fromkeys(keys)
        shared, aware = self.shared(), None
        if shared:
            right = self.decisions() == self.trials.same
            added = self.choice_variance()
            aware = list(rate_interval(right, shared, weights=self.weights(), added=added))
        if self.kfold:
            custom = {
                "accuracy": self.kfold.accuracy,
                "standard_error": self.kfold.standard_error,
                "confidence_interval": list(self.kfold.confidence_interval),
                "interval": "95 %, Student's t over folds",
            }
        else:
            (fold,) = self.folds
            independent = list(wilson_interval(round(fold.accuracy * fold.pairs), fold.pairs))
            custom = {
                "accuracy": fold.accuracy,
                "standard_error": None,
                "confidence_interval": aware or independent,
                "interval": "95 %, Wilson, identity-aware" if aware else "95 %, Wilson, pairs as independent",
            }
        return custom | {"identity_interval": aware}

    def _rates(self) -> list[dict[str, Any]]:
        """TAR at each FAR, with identity-aware Wilson intervals for TAR and FAR at its threshold."""
        same = self.trials.same
        kinds = {"identity_interval": same, "far_identity_interval": ~same}
        shared = {key: self.shared(kind) for key, kind in kinds.items()}
        rows = []
        for point in self.tar_at_far:
            accepted, row = self.scores >= point.threshold, asdict(point)
            for key, kind in kinds.items():
                who = shared[key]
                row[key] = list(rate_interval(accepted[kind], who)) if who else None
            rows.append(row)
        return rows


def verify(
    protocol: str,
    embeddings: Embeddings,
    trials: Trials,
    *,
    training: Trials | None = None,
    similarity: Similarity = "cosine",
    transform: Transform | None = None,
    fars: Sequence[float] = FARS,
) -> Verification:
    """Score `trials` and measure them.

    With several folds, each is held out in turn and everything fitted (threshold, transform) on the others. A
    list of one fold takes its threshold and transform from the list `training` (LFW's View 1); without one it
    has no accuracy, only what needs no threshold.

    Raises:
        DataError: an image has no embedding, or is paired with itself; a transform without training pairs;
            `training` beside folds, or with some of the same pairs; only one kind of pair.
    """
    transform = transform or Transform()
    if training is not None and trials.folds > 1:
        raise DataError(
            f"{trials.source}: it has {trials.folds} folds; training pairs are for a list without folds"
        )
    if transform and trials.folds < 2 and training is None:
        raise DataError(
            f"{trials.source}: '{transform.name}' needs training pairs, and this list has no folds"
        )
    _check_kinds(trials)
    rows = _rows(embeddings, trials)
    held_out, by_fold = None, None
    if training is not None:
        training_rows = _rows(embeddings, training)
        if shared := len(_pairs(rows) & _pairs(training_rows)):
            raise DataError(
                f"{training.source}: {shared} of its pairs are in {trials.source} too; "
                "the threshold must come from other pairs"
            )
        vectors = embeddings.vectors
        if transform:
            vectors = transform.fitted(np.asarray(vectors), training_rows)
        scores = pair_scores(vectors, rows[0], rows[1], similarity)
        training_scores = pair_scores(vectors, training_rows[0], training_rows[1], similarity)
        threshold = best_threshold(training_scores, training.same)
        held_out = Fold(accuracy_at(scores, trials.same, threshold), threshold, len(trials))
    elif trials.folds > 1 and transform:
        by_fold = _scores_by_fold(embeddings, rows, trials, similarity, transform)
        scores = by_fold[trials.fold_place, np.arange(len(trials))]
    else:
        scores = pair_scores(embeddings.vectors, rows[0], rows[1], similarity)
    return measure(protocol, trials, scores, similarity, fars, held_out, transform, by_fold)


def _check_kinds(trials: Trials) -> None:
    kinds = ["one person", "different people"]
    if trials.same.all() or not trials.same.any():
        found, missing = kinds if trials.same.all() else kinds[::-1]
        raise DataError(
            f"{shown(trials.source)}: all pairs are of {found}; add pairs of {missing}, both are needed"
        )


def _rows(embeddings: Embeddings, trials: Trials) -> npt.NDArray[np.int64]:
    """(2, P) rows of both images of every pair."""
    rows = embeddings.rows(trials.left + trials.right).reshape(2, -1)
    alone = np.flatnonzero(rows[0] == rows[1])
    if len(alone):
        left, right = trials.left[alone[0]], trials.right[alone[0]]
        raise DataError(
            f"{trials.source}: '{left}' and '{right}' are one image of {embeddings.source}; "
            "a pair needs two images"
        )
    return rows


def _pairs(rows: npt.NDArray[np.int64]) -> set[tuple[int, int]]:
    return set(zip(rows.min(axis=0).tolist(), rows.max(axis=0).tolist(), strict=True))


def measure(
    protocol: str,
    trials: Trials,
    scores: Floats,
    similarity: Similarity,
    fars: Sequence[float] = FARS,
    held_out: Fold | None = None,
    transform: Transform | None = None,
    by_fold: Floats | None = None,
) -> Verification:
    """Measure `trials` by (P,) `scores` that were computed elsewhere.

    Args:
        held_out, transform, by_fold: see `Verification`.
    """
    _check_kinds(trials)
    known = scores if by_fold is None else by_fold
    kfold = kfold_accuracy(known, trials.same, trials.fold) if trials.folds > 1 else None
    curve = roc(scores, trials.same)
    points = tuple(tar_at_far(curve, far) for far in fars)
    transform = transform or Transform()
    return Verification(
        protocol, trials, scores, kfold, held_out, curve, points, similarity, transform, by_fold
    )


def _scores_by_fold(
    embeddings: Embeddings,
    rows: npt.NDArray[np.int64],
    trials: Trials,
    similarity: Similarity,
    transform: Transform,
) -> Floats:
    """(K, P): row f scores all pairs after a transform fitted without the f-th fold."""
    used, places = np.unique(rows, return_inverse=True)
    vectors = np.asarray(embeddings.vectors[used])
    left, right = places.reshape(2, -1)
    scores = np.empty((trials.folds, len(trials)))
    for f, number in enumerate(np.unique(trials.fold)):
        training = trials.fold != number
        fitted = transform.fitted(vectors, np.concatenate([left[training], right[training]]))
        scores[f] = pair_scores(fitted, left, right, similarity)
    return scores
