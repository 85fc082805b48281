"""Searching a gallery: the best mate's score and rank of a probe, the highest score of an impostor.

Screened in float32, decided in float64: a blocked matrix product finds what is near enough to matter, and
those few scores are computed again exactly (`cosines`). So results do not depend on block sizes, threads or
the BLAS in use, equal vectors tie exactly, and a gallery may be larger than memory, or divided among several
processes (`nsface.metrics.share`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsface.errors import DataError
from nsface.metrics import share
from nsface.metrics.similarity import Floats, Rows, Similarity, cosines, pair_scores
from nsface.stored_rows import StoredRows
from nsface.vectors import lengths, unit

Vectors = npt.NDArray[np.float32]
Progress = Callable[[int], object]
_PROBES, _ENTRIES = 1024, 4096  # a block of scores is 16 MiB
_EXACT = 1 << 15  # scores computed exactly at once


@dataclass(frozen=True)
class Gallery:
    """Rows of an array of embeddings, and who they are.

    Attributes:
        vectors: (N, D) float32, not necessarily normalised; may be rows of a file.
        rows: (G,) row numbers.
        identities: (G,) integers. Rows of one identity are one entry, whose score is the best of them.
    """

    vectors: Vectors | StoredRows
    rows: Rows
    identities: Rows

    def __post_init__(self) -> None:
        if self.rows.shape != self.identities.shape or not len(self.rows):
            raise DataError(f"a gallery of {len(self.rows)} rows with {len(self.identities)} identities")

    def sorted(self) -> Gallery:
        """The same gallery with the rows of each identity beside each other."""
        if (np.diff(self.identities) > 0).all():
            return self
        order = np.argsort(self.identities, kind="stable")
        return Gallery(self.vectors, self.rows[order], self.identities[order])


@dataclass(frozen=True)
class Found:
    """What a search found for each of P genuine probes.

    Attributes:
        score: (P,) score with the best mate.
        rank: (P,) 1 + the number of other identities that score at least as much (pessimistic).
    """

    score: Floats
    rank: Rows


def find(
    gallery: Gallery,
    probes: Vectors,
    identities: Rows,
    progress: Progress | None = None,
    similarity: Similarity = "cosine",
    optimistic: bool = False,
) -> Found:
    """Search `gallery` for the genuine `probes` (P, D) of known `identities` (P,).

    Args:
        probes: (P, D), not necessarily normalised.
        identities: (P,) integers, each of them in the gallery.
        progress: called with the number of gallery rows done since the last call.
        similarity: `cosine` or `euclidean`, as for `nsface.metrics.similarity.pair_scores`.
        optimistic: count only identities that score more than the best mate, for an audit: a constant
            embedding then finds everybody.

    Raises:
        DataError: a probe's identity is not in the gallery, or probes of another dimension.

    Example:
        >>> vectors = np.array([[1, 0], [0, 1]], dtype=np.float32)
        >>> gallery = Gallery(vectors, rows=np.array([0, 1]), identities=np.array([5, 6]))
        >>> found = find(gallery, np.array([[3, 1], [3, 1]], dtype=np.float32), np.array([5, 6]))
        >>> found.rank.tolist()
        [1, 2]
    """
    gallery = gallery.sorted()
    mates = _mates(gallery, identities)
    scores = pair_scores(gallery.vectors, gallery.rows[mates[0]], mates[1], similarity, probes)
    best = np.full(len(probes), -np.inf)
    np.maximum.at(best, mates[1], scores)
    level = best if similarity == "cosine" else -best * best
    above = np.zeros(len(probes), dtype=np.int64)
    for block in blocks(gallery, probes, progress, similarity):
        first, last = np.searchsorted(mates[0], [block.entries.start, block.entries.stop])
        entry, probe = mates[0][first:last] - block.entries.start, mates[1][first:last] - block.probes.start
        inside = (probe >= 0) & (probe < len(block.scores))
        block.scores[probe[inside], entry[inside]] = -np.inf  # mates never count against themselves
        low, high = (
            (level[block.probes] + margin).astype(np.float32) for margin in (-block.slack, block.slack)
        )
        reached = np.flatnonzero(block.scores.max(axis=1) >= low)
        if len(reached):
            above[block.probes.start + reached] += _count(
                block, reached, low, high, best[block.probes], np.greater if optimistic else np.greater_equal
            )
    return Found(best, share.current().summed(above) + 1)


def highest(
    gallery: Gallery,
    probes: Vectors,
    progress: Progress | None = None,
    similarity: Similarity = "cosine",
) -> tuple[Floats, Rows]:
    """The highest score of each probe with any row of the gallery: what an impostor would be accepted for.

    Args:
        probes: (P, D), not necessarily normalised.
        progress, similarity: as for `find`.

    Returns:
        (P,) float64, and the identities (P,) in the gallery that have these scores: any of those whose scores
        differ by less than float32 resolves.

    Raises:
        DataError: probes of another dimension than the gallery's.

    Example:
        >>> vectors = np.array([[1, 0], [0, 1]], dtype=np.float32)
        >>> gallery = Gallery(vectors, rows=np.array([0, 1]), identities=np.array([5, 6]))
        >>> scores, identities = highest(gallery, np.array([[0, 2]], dtype=np.float32))
        >>> scores.tolist(), identities.tolist()
        ([1.0], [6])
    """
    slack = 0.0
    seen = np.full(len(probes), -np.inf, dtype=np.float32)
    best = np.full(len(probes), -np.inf)
    first = np.zeros(len(probes))  # place in the gallery of the first of the highest
    for block in blocks(gallery, probes, progress, similarity):
        slack = max(slack, block.slack)
        top = block.scores.max(axis=1)
        higher = np.flatnonzero(top > seen[block.probes])
        first[block.probes.start + higher] = block.entries.start + block.scores[higher].argmax(axis=1)
        seen[block.probes] = np.maximum(seen[block.probes], top)
        near = seen[block.probes] - np.float32(2 * slack)
        reached = np.flatnonzero(top >= near)
        rows, columns = np.nonzero(block.scores[reached] >= near[reached, None])
        rows = reached[rows]
        for start in range(0, len(rows), _EXACT):
            r, c = rows[start : start + _EXACT], columns[start : start + _EXACT]
            np.maximum.at(best, block.probes.start + r, block.exact(r, c))
    everywhere = share.current().highest
    foremost = -everywhere(np.where(seen == everywhere(seen.astype(np.float64)), -first, -np.inf))
    return everywhere(best), gallery.identities[foremost.astype(np.int64)]


@dataclass(frozen=True)
class Block:
    """Scores of some probes against some gallery rows, float32, and what they were computed from.

    The scores are cosines, or minus squared distances; `slack` bounds their error.
    """

    similarity: Similarity
    slack: float
    probes: slice
    entries: slice
    scores: npt.NDArray[np.float32]
    probe_vectors: Vectors
    entry_vectors: Vectors
    starts: Rows  # first column of each identity

    def exact(self, rows: Rows, columns: Rows) -> Floats:
        """The exact scores at (`rows`, `columns`)."""
        probes, entries = self.probe_vectors[rows], self.entry_vectors[columns]
        if self.similarity == "cosine":
            return cosines(probes, entries)
        return -lengths(entries.astype(np.float64) - probes)


def _count(
    block: Block,
    reached: Rows,
    low: npt.NDArray[np.float32],
    high: npt.NDArray[np.float32],
    best: Floats,
    counts: Callable[[Floats, Floats], npt.NDArray[np.bool_]],
) -> Rows:
    """How many identities of `block` score at least as much as the best mate, for the probes `reached`.

    Args:
        low, high, best: for each probe of the block: below and above which a score decides by itself, and the
            exact score of its best mate.
        counts: whether an exact score counts against that of the best mate.
    """
    scores = block.scores if len(reached) == len(block.scores) else block.scores[reached]
    over = scores > high[reached, None]
    undecided = scores >= low[reached, None]
    undecided ^= over
    rows, columns = np.nonzero(undecided)
    for start in range(0, len(rows), _EXACT):
        r, c = rows[start : start + _EXACT], columns[start : start + _EXACT]
        over[r, c] = counts(block.exact(reached[r], c), best[reached[r]])
    if len(block.starts) < over.shape[1]:
        over = np.logical_or.reduceat(over, block.starts, axis=1)
    return np.fromiter(map(np.count_nonzero, over), dtype=np.int64, count=len(over))


def blocks(
    gallery: Gallery, probes: Vectors, progress: Progress | None, similarity: Similarity
) -> Iterator[Block]:
    """Every probe against the gallery rows of this process, a block at a time; no identity is cut in two.

    Raises:
        DataError: gallery and probes, (P, D), have embeddings of different sizes.
    """
    if gallery.vectors.shape[1] != probes.shape[1]:
        raise DataError(f"a gallery of dimension {gallery.vectors.shape[1]}, probes of {probes.shape[1]}")
    cosine = similarity == "cosine"
    multiplied = unit(probes) if cosine else 2 * probes
    length = lengths(probes)
    changes = np.append(True, np.diff(gallery.identities) != 0)
    buffer = np.empty(0, dtype=np.float32)
    mine = share.current()
    for number, entries in enumerate(_cuts(changes)):
        if not mine.has(number):
            if progress:
                progress(entries.stop - entries.start)
            continue
        vectors = gallery.vectors[gallery.rows[entries]]
        columns, sizes = (unit(vectors).T, None) if cosine else (vectors.T, lengths(vectors))
        starts = np.flatnonzero(changes[entries])
        for start in range(0, len(probes), _PROBES):
            part = slice(start, min(start + _PROBES, len(probes)))
            shape = (part.stop - start, columns.shape[1])
            if buffer.size < shape[0] * shape[1]:
                buffer = np.empty(shape[0] * shape[1], dtype=np.float32)
            scores = buffer[: shape[0] * shape[1]].reshape(shape)
            np.matmul(multiplied[part], columns, out=scores)
            slack = slack_of(probes.shape[1])
            if sizes is not None:  # −‖p − e‖² = 2 p·e − ‖p‖² − ‖e‖², no term above the square below
                scores -= np.square(length[part, None]).astype(np.float32)
                scores -= np.square(sizes).astype(np.float32)
                slack *= 2 * float(length[part].max() + sizes.max()) ** 2
            yield Block(similarity, slack, part, entries, scores, probes[part], vectors, starts)
        if progress:
            progress(entries.stop - entries.start)


def _cuts(changes: npt.NDArray[np.bool_]) -> Iterator[slice]:
    """Slices of about `_ENTRIES` rows that begin where an identity begins."""
    begins = np.append(np.flatnonzero(changes), len(changes))
    start = 0
    while start < len(changes):
        last = int(np.searchsorted(begins, start + _ENTRIES, side="right")) - 1
        stop = int(begins[max(last, 0)])
        if stop <= start:  # one identity with more rows than a block
            stop = int(begins[np.searchsorted(begins, start, side="right")])
        yield slice(start, stop)
        start = stop


def _mates(gallery: Gallery, identities: Rows) -> tuple[Rows, Rows]:
    """All (gallery place, probe) of one identity, by ascending place; `gallery` is sorted by identity."""
    first = np.searchsorted(gallery.identities, identities, side="left")
    count = np.searchsorted(gallery.identities, identities, side="right") - first
    if (count == 0).any():
        raise DataError(f"{int((count == 0).sum())} probes have no mate in the gallery")
    probe, place = spread(first, count)
    order = np.argsort(place, kind="stable")
    return place[order], probe[order]


def spread(first: Rows, count: Rows) -> tuple[Rows, Rows]:
    """All numbers of N runs, and the run of each: `count` numbers from `first` on.

    Example:
        >>> runs, numbers = spread(np.array([5, 0]), np.array([2, 1]))
        >>> runs.tolist(), numbers.tolist()
        ([0, 0, 1], [5, 6, 0])
    """
    run = np.repeat(np.arange(len(first)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return run, np.repeat(first, count) + within


def slack_of(dimension: int) -> float:
    """Bound on the error of a float32 cosine: normalising both vectors and `dimension` multiply-adds."""
    return (dimension + 8) * 2.0**-24
