"""TAR at FAR over every pair of N images: more pairs than one wants to sort.

At N = 10,000 there are 50 million. Only the highest-scoring impostor pairs decide, so no others are kept:
screened in float32 by a blocked matrix product, decided in float64 as in `nsface.metrics.search`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.metrics.identification import accepted
from nsface.metrics.roc import TarAtFar
from nsface.metrics.search import slack_of
from nsface.metrics.similarity import Floats, Rows, pair_scores
from nsface.vectors import unit

Vectors = npt.NDArray[np.float32]
_ROWS = 256  # rows of the score matrix at once


def tar_over_all_pairs(vectors: Vectors, identities: Rows, fars: Sequence[float]) -> list[TarAtFar]:
    """The largest attainable TAR with achieved FAR ≤ each of `fars`, over all N (N − 1) / 2 pairs.

    Args:
        vectors: (N, D) float32, not necessarily normalised; the score is the cosine.
        identities: (N,) integers.
        fars: each in [0, 1].

    Returns:
        One entry for each of `fars`.

    Raises:
        DataError: no pair of one person, or none of two; a FAR outside [0, 1].

    Example:
        >>> vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], dtype=np.float32)
        >>> (point,) = tar_over_all_pairs(vectors, np.array([0, 0, 1, 1]), [0.0])
        >>> point.tar, point.impostors
        (1.0, 4)
    """
    left, right = genuine_pairs(identities)
    impostors = len(identities) * (len(identities) - 1) // 2 - len(left)
    if not len(left) or not impostors:
        raise DataError("all pairs are of one kind; images of the same and of different people are needed")
    genuine = pair_scores(vectors, left, right)
    allowed = [accepted(impostors, far) for far in fars]
    top = _Highest(max(allowed) + 1, vectors, identities)
    points = []
    for far, count in zip(fars, allowed, strict=True):
        if count < impostors:
            limit, above = top.limit(count)
            threshold = float(np.nextafter(limit, np.inf))
        else:
            above, threshold = impostors, min(float(genuine.min()), top.limit(count - 1)[0])
        tar = float((genuine >= threshold).mean())
        points.append(TarAtFar(far, tar, above / impostors, threshold, impostors))
    return points


def genuine_pairs(identities: Rows) -> tuple[Rows, Rows]:
    """All pairs of rows that are of one identity: two arrays (P,) of row numbers, for (N,) `identities`.

    Example:
        >>> left, right = genuine_pairs(np.array([7, 3, 7]))
        >>> left.tolist(), right.tolist()
        ([0], [2])
    """
    order = np.argsort(identities, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(identities[order])) + 1)
    corners = [np.triu_indices(len(group), 1) for group in groups]
    left = [group[i] for group, (i, _) in zip(groups, corners, strict=True)]
    right = [group[j] for group, (_, j) in zip(groups, corners, strict=True)]
    return np.concatenate(left), np.concatenate(right)


def highest_impostors(vectors: Vectors, identities: Rows, count: int) -> tuple[Floats, Rows, Rows]:
    """The `count` highest-scoring pairs of two identities, the highest first: scores, and both row numbers.

    Args:
        vectors, identities: as for `tar_over_all_pairs`.
        count: at most as many as there are such pairs.

    Example:
        >>> vectors = np.array([[1, 0], [1, 0.1], [0, 1]], dtype=np.float32)
        >>> scores, left, right = highest_impostors(vectors, np.array([0, 1, 2]), 2)
        >>> left.tolist(), right.tolist()
        ([0, 1], [1, 2])
    """
    return _Highest(count, vectors, identities).exact()


class _Highest:
    """The `count` highest-scoring impostor pairs, and all too near to the last one to be left out."""

    def __init__(self, count: int, vectors: Vectors, identities: Rows) -> None:
        self._vectors, self._count = vectors, count
        self._near = 2 * slack_of(vectors.shape[1])
        self._scores = np.empty(0, dtype=np.float32)
        self._pairs = np.empty((0, 2), dtype=np.int32)
        lowest = -np.inf
        normalised = unit(vectors)
        for start in range(0, len(vectors), _ROWS):
            block = normalised[start : start + _ROWS] @ normalised[start:].T
            rows, columns = np.nonzero(block >= lowest)
            kept = (columns > rows) & (identities[start + rows] != identities[start + columns])
            rows, columns = rows[kept], columns[kept]
            self._scores = np.concatenate([self._scores, block[rows, columns]])
            found = np.column_stack([start + rows, start + columns]).astype(np.int32)
            self._pairs = np.concatenate([self._pairs, found])
            if len(self._scores) > 2 * count:
                lowest = self._screened(count - 1) - self._near
                enough = self._scores >= lowest
                self._scores, self._pairs = self._scores[enough], self._pairs[enough]

    def exact(self) -> tuple[Floats, Rows, Rows]:
        """The pairs with their exact scores, the highest first, and of equal scores the first rows."""
        enough = self._scores >= self._screened(self._count - 1) - self._near
        left, right = self._pairs[enough].T.astype(np.int64)
        scores = pair_scores(self._vectors, left, right)
        order = np.lexsort((right, left, -scores))[: self._count]
        return scores[order], left[order], right[order]

    def limit(self, place: int) -> tuple[float, int]:
        """The exact score at `place` (0 for the highest), and how many impostor pairs exceed it."""
        screened = self._screened(place)
        surely = self._scores > screened + self._near
        doubtful = ~surely & (self._scores >= screened - self._near)
        exact: Floats = pair_scores(self._vectors, *self._pairs[doubtful].T.astype(np.int64))
        above = int(surely.sum())
        limit = float(np.sort(exact)[::-1][place - above])
        return limit, above + int((exact > limit).sum())

    def _screened(self, place: int) -> float:
        """The float32 score at `place`."""
        last = len(self._scores) - 1 - place
        return float(np.partition(self._scores, last)[last])
