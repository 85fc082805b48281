"""The identities of a gallery that are most alike a probe, of whom nothing is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsface.metrics.search import Gallery, Progress, Vectors, blocks, spread
from nsface.metrics.similarity import Floats, Rows, Similarity, pair_scores

_SCORES = 1 << 24  # float32 scores kept at once: 64 MiB


@dataclass(frozen=True)
class Candidates:
    """The K most alike identities for each of P probes, by descending score.

    Attributes:
        identities: (P, K); of equal scores, the lower number comes first.
        scores: (P, K) of the best row of each identity.
        ranks: (P, K) 1 + the number of other identities that score at least as much (pessimistic), so that
            candidates with one score have one rank.
        rows: (P, K) numbers of the rows with these scores; of several, the one that comes first in the
            gallery.
    """

    identities: Rows
    scores: Floats
    ranks: Rows
    rows: Rows


def candidates(
    gallery: Gallery,
    probes: Vectors,
    most: int = 1,
    similarity: Similarity = "cosine",
    progress: Progress | None = None,
) -> Candidates:
    """The `most` identities of `gallery` that are most alike each of `probes` (P, D), P ≥ 1.

    Scores and ranks are exact, as those of `nsface.metrics.search`. Memory is 64 MiB and does not grow with
    the gallery, unless many of its identities tie.

    Args:
        most: K, at least 1; fewer are found where the gallery has fewer identities.
        progress: called with the number of gallery rows done since the last call; of many probes, several
            times over the whole gallery.
        similarity: as for `nsface.metrics.similarity.pair_scores`.

    Raises:
        DataError: probes of another dimension than the gallery's.

    Example:
        >>> vectors = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
        >>> gallery = Gallery(vectors, rows=np.arange(3), identities=np.array([5, 6, 5]))
        >>> found = candidates(gallery, np.array([[0, 2]], dtype=np.float32), most=2)
        >>> found.identities.tolist(), found.ranks.tolist(), found.rows.tolist()
        ([[6, 5]], [[1, 2]], [[1, 2]])
    """
    gallery = gallery.sorted()
    begins = np.flatnonzero(np.append(True, np.diff(gallery.identities) != 0))
    step = max(1, _SCORES // len(begins))
    parts = [
        _found(gallery, begins, probes[start : start + step], min(most, len(begins)), similarity, progress)
        for start in range(0, len(probes), step)
    ]
    return Candidates(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _found(
    gallery: Gallery,
    begins: Rows,
    probes: Vectors,
    most: int,
    similarity: Similarity,
    progress: Progress | None,
) -> tuple[Rows, Floats, Rows, Rows]:
    """The fields of `Candidates`; `gallery` is sorted, and an identity begins at each of `begins`."""
    probe, who = _near(gallery, begins, probes, most, similarity, progress)
    sizes = np.diff(np.append(begins, len(gallery.rows)))
    pair, place = spread(begins[who], sizes[who])
    scores = pair_scores(gallery.vectors, gallery.rows[place], probe[pair], similarity, probes)
    starts = np.searchsorted(pair, np.arange(len(who)))
    best = np.maximum.reduceat(scores, starts)
    order = np.lexsort((who, -best, probe))
    ends = np.searchsorted(probe, np.arange(1, len(probes) + 1))
    chosen = np.empty((len(probes), most), dtype=np.int64)
    ranks = np.empty_like(chosen)
    for number, (start, end) in enumerate(zip(np.append(0, ends[:-1]), ends, strict=True)):
        falling = -best[order[start:end]]
        chosen[number] = order[start : start + most]
        ranks[number] = np.searchsorted(falling, falling[:most], side="right")
    kept = chosen.ravel()
    rows = [
        place[start + scores[start : start + size].argmax()]
        for start, size in zip(starts[kept], sizes[who[kept]], strict=True)
    ]
    return (
        gallery.identities[begins[who[chosen]]],
        best[chosen],
        ranks,
        gallery.rows[rows].reshape(chosen.shape),
    )


def _near(
    gallery: Gallery,
    begins: Rows,
    probes: Vectors,
    most: int,
    similarity: Similarity,
    progress: Progress | None,
) -> tuple[Rows, Rows]:
    """Every (probe, place in `begins`) that may be among the `most` best, or tie with the last of them."""
    seen: npt.NDArray[np.float32] = np.empty((len(probes), len(begins)), dtype=np.float32)
    slack = 0.0
    for block in blocks(gallery, probes, progress, similarity):
        first = int(np.searchsorted(begins, block.entries.start))
        columns = slice(first, first + len(block.starts))
        np.maximum.reduceat(block.scores, block.starts, axis=1, out=seen[block.probes, columns])
        slack = max(slack, block.slack)
    level = np.partition(seen, len(begins) - most, axis=1)[:, len(begins) - most]
    probe, who = np.nonzero(seen >= (level - np.float32(2 * slack))[:, None])
    return probe, who
