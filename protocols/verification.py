"""Verification: trials and embeddings in, scored pairs out. Shared by LFW, FGLFW, YTF and lists of pairs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, shown
from nsface.metrics.roc import roc, tar_at_far
from nsface.metrics.similarity import Similarity, pair_scores
from nsface.metrics.verification import Fold, accuracy_at, best_threshold, kfold_accuracy
from nsface.protocols.at_threshold import (
    AppliesThreshold,
    check_provenance,
    crop_notes,
    file_digest,
    other_kind,
    pairs_at,
    same_data,
)
from nsface.protocols.audit import AUDIT, audit_pairs
from nsface.protocols.calibrated import calibrate
from nsface.protocols.comparison import compare_verification
from nsface.protocols.group_file import read_groups
from nsface.protocols.group_rates import Given
from nsface.protocols.grouped import group_pairs, operating_point, people_of
from nsface.protocols.list_files import ListFile, distinct
from nsface.protocols.protocol import DIMENSIONS, FAR, AnyPath, Found, Protocol, Start, option
from nsface.protocols.scored_pairs import ScoredPairs
from nsface.protocols.selected import selection_notes
from nsface.protocols.transforms import Transform
from nsface.protocols.trials import Trials
from nsface.results import Verification, VerificationComparison

Floats = npt.NDArray[np.float64]
FARS = (1e-1, 1e-2, 1e-3)


T = TypeVar("T", bound=Trials)


@dataclass(frozen=True, kw_only=True)
class VerificationProtocol(AppliesThreshold, Protocol[T, ScoredPairs], Generic[T]):
    """The options of every verification protocol; a protocol adds its list `pairs`, and how it is read."""

    comparable: ClassVar[Mapping[str, str]] = {"pairs": "pairs"}

    similarity: Similarity = option("Score of two embeddings.", default="cosine")
    center: bool = option("Subtract the mean embedding of the images in the training folds.", default=False)
    pca: int | None = option(
        "Reduce embeddings to N dimensions by PCA, fitted on the training folds.",
        metavar="N",
        bounds=DIMENSIONS,
        default=None,
    )
    far: tuple[float, ...] = option("FAR at which to report TAR; repeatable.", bounds=FAR, default=())
    calibration: bool = option("Add the expected calibration error (ECE).", default=False)
    audit: bool = option(AUDIT, default=False)
    groups: AnyPath | None = option(
        "Add the error rates of groups of people: person<TAB>group per line.", default=None
    )
    garbe_alpha: float = option("Weight of FMR in the GARBE of `groups`.", bounds=FAR, default=0.5)

    @classmethod
    def recognises(cls, file: ListFile) -> bool:
        """Whether `file`, by its first lines, is the only list of this protocol."""
        return False

    @classmethod
    def found_among(cls, files: Sequence[ListFile]) -> Iterator[Found]:
        for file in distinct(filter(cls.recognises, files)):
            (name,) = cls.comparable.values()
            given: dict[str, Any] = {name: file.path}
            yield Found(cls(**given), [file.path], copies=file.copies)

    def needed(self, embeddings: Embeddings, lists: T) -> Sequence[str]:
        return [*lists.left, *lists.right]

    @property
    def scoring(self) -> dict[str, Any]:
        """The arguments of `verify` that the options give."""
        transform = Transform(self.center, self.pca or 0)
        return {
            "similarity": self.similarity,
            "transform": transform,
            "fars": self.far or FARS,
            "leak": self.audit,
        }

    def notes(self, lists: T) -> Sequence[str]:
        if self.groups is None:
            return ()
        listed = {person for side in people_of(lists) for person in side}
        return read_groups(self.groups).notes(listed, lists.source)

    def measure(self, embeddings: Embeddings, lists: T, start: Start | None = None) -> ScoredPairs:
        return self.finished(self.score(embeddings, lists), embeddings)

    def evaluate(self, embeddings: Embeddings) -> Verification:
        return self.measure(embeddings, self.read()).result()

    def score(self, embeddings: Embeddings, trials: T) -> ScoredPairs:
        """Score the pairs."""
        return verify(self.result_name(trials), embeddings, trials, **self.scoring)

    @property
    def _lists(self) -> list[AnyPath]:
        """The files of the lists: those options that `compare` takes over whose values are files."""
        given = [getattr(self, name) for name in self.comparable.values()]
        return [path for path in given if os.path.isfile(path)]

    def result_name(self, trials: T) -> str:
        """What the result is called."""
        return type(self).__name__.lower()

    def finished(self, scored: ScoredPairs, embeddings: Embeddings) -> ScoredPairs:
        """`scored` with its embeddings, its notes, and what else is asked for."""
        scored = replace(
            scored,
            embeddings=embeddings,
            notes=[
                *scored.trials.notes(),
                *(n for path in self._lists for n in selection_notes(embeddings, path)),
            ],
            calibration=calibrate(scored) if self.calibration else None,
            audit=audit_pairs(self, scored, embeddings) if self.audit else None,
            groups=group_pairs(scored, self._given_groups(self.groups, scored)) if self.groups else None,
        )
        return self.with_threshold(scored, embeddings)

    def with_threshold(self, scored: ScoredPairs, embeddings: Embeddings) -> ScoredPairs:
        """`scored` with its rates at the calibrated threshold, where one is given."""
        if self.calibrated is None or self.threshold is None:
            return scored
        notes = [
            *check_provenance(self.calibrated, self.threshold, embeddings, scored.details.get("pool")),
            *crop_notes(self.calibrated, self.threshold, embeddings),
            *(
                note
                for path in self._lists
                for note in same_data(self.calibrated, self.threshold, file_digest(path), embeddings)
            ),
            *other_kind(self.calibrated, self.threshold),
        ]
        found = pairs_at(self.calibrated, self.threshold, scored)
        return replace(scored, at_threshold=found, notes=[*scored.notes, *notes])

    def _given_groups(self, path: AnyPath, scored: ScoredPairs) -> Given:
        """Who is in which group, and the threshold: the calibrated one, where it is given."""
        if self.calibrated:
            point = self.calibrated.threshold, f"of {self.threshold}"
        else:
            impostors = int((~scored.trials.same).sum())
            point = operating_point(scored.tar_at_far, bool(self.far), impostors)
        return Given(read_groups(path), self.garbe_alpha, *point)

    def compare(self, first: ScoredPairs, second: ScoredPairs) -> VerificationComparison:
        return compare_verification(first, second)


def verify(
    protocol: str,
    embeddings: Embeddings,
    trials: Trials,
    *,
    training: Trials | None = None,
    similarity: Similarity = "cosine",
    transform: Transform | None = None,
    fars: Sequence[float] = FARS,
    leak: bool = False,
) -> ScoredPairs:
    """Score `trials` and measure them.

    With several folds, each is held out in turn and everything fitted (threshold, transform) on the others. A
    list of one fold takes its threshold and transform from the list `training` (LFW's View 1); without one it
    has no accuracy, only what needs no threshold.

    Args:
        leak: for an audit, also score by a transform that is fitted on all pairs.

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
        scores, held_out = _scores_by_training(embeddings, rows, trials, training, similarity, transform)
    elif trials.folds > 1 and transform:
        by_fold = _scores_by_fold(embeddings, rows, trials, similarity, transform)
        scores = by_fold[trials.fold_place, np.arange(len(trials))]
    else:
        scores = pair_scores(embeddings.vectors, rows[0], rows[1], similarity)
    measured = measure(protocol, trials, scores, similarity, fars, held_out, transform, by_fold)
    if by_fold is not None and leak:
        vectors = transform.fitted(np.asarray(embeddings.vectors), rows)
        leaked = pair_scores(vectors, rows[0], rows[1], similarity)
        return replace(measured, fitted_on_all=leaked)
    return measured


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
) -> ScoredPairs:
    """Measure `trials` by (P,) `scores` that were computed elsewhere.

    Args:
        held_out, transform, by_fold: see `ScoredPairs`.
    """
    _check_kinds(trials)
    known = scores if by_fold is None else by_fold
    kfold = kfold_accuracy(known, trials.same, trials.fold) if trials.folds > 1 else None
    curve = roc(scores, trials.same)
    points = tuple(tar_at_far(curve, far) for far in fars)
    transform = transform or Transform()
    return ScoredPairs(
        protocol, trials, scores, kfold, held_out, curve, points, similarity, transform, by_fold
    )


def _scores_by_training(
    embeddings: Embeddings,
    rows: npt.NDArray[np.int64],
    trials: Trials,
    training: Trials,
    similarity: Similarity,
    transform: Transform,
) -> tuple[Floats, Fold]:
    """(P,) scores after a transform fitted on `training`, and the accuracy at the threshold from there."""
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
    return scores, Fold(accuracy_at(scores, trials.same, threshold), threshold, len(trials))


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
