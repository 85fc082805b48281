"""Identification: closed set and open set, LFW's protocol and anybody's own lists.

LFW's (Best-Rowden et al. 2014): S are the 596 people with two or more LFW images who also appear in YouTube
Faces.
Closed set: one image of each of S and of 3,653 people with a single image against the other images of S. Open
set: one image of each of S against one other of each, with everybody else's images as impostors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from nsface.embeddings.file import Embeddings
from nsface.embeddings.pooling import group_rows, pooled
from nsface.errors import DataError, listing
from nsface.metrics import identification as metrics
from nsface.metrics.search import Found, Gallery, Progress, find, highest
from nsface.metrics.shared_people import rate_interval, shared_people
from nsface.metrics.similarity import Rows, Similarity
from nsface.names import stem
from nsface.protocols.transforms import Transform
from nsface.protocols.trials import identity, numbered
from nsface.results.identification import ClosedSet, DirAtFar, IdentificationTrial, OpenSet

Fuse = Literal["best", "mean"]
FARS = (0.01, 0.1)
RANKS = (1, 5, 10)


@dataclass(frozen=True)
class Named:
    """Names of N images, and of the N people whom they show."""

    images: list[str]
    people: list[str]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Trial:
    """The lists of one trial of identification.

    Attributes:
        name: for the result, such as `trial01`.
        closed: gallery and probes; None without a closed set.
        open: gallery, genuine probes and impostors; None without an open set.
    """

    name: str
    closed: tuple[Named, Named] | None
    open: tuple[Named, Named, Named] | None


@dataclass(frozen=True)
class MeasuredTrial:
    """What one trial has measured, with the ranks and scores that figures and comparisons need.

    Attributes:
        closed, open: what the search has found in each set.
        result: of the trial.
        closed_people: (P,) who each probe of the closed set shows, as numbers.
        optimistic_rank: (P,) the rank of each probe with ties counted in its favour, for an audit.
    """

    name: str
    closed: Found | None
    open: metrics.OpenSet | None
    result: IdentificationTrial
    closed_people: Rows | None = None
    optimistic_rank: Rows | None = None

    def dir_at_far(self) -> tuple[DirAtFar, ...]:
        """DIR at each FAR asked for; nothing without an open set."""
        return self.result.open_set.dir if self.result.open_set else ()


def identify(
    embeddings: Embeddings,
    trial: Trial,
    *,
    fuse: Fuse = "best",
    similarity: Similarity = "cosine",
    fars: Sequence[float] = FARS,
    ranks: Sequence[int] = RANKS,
    progress: Progress | None = None,
    optimistic: bool = False,
) -> MeasuredTrial:
    """Search, and measure Rank-k and DIR at FAR (rank 1).

    Args:
        fuse: how several gallery images of one person become one entry: by the `best` score, or by a
            template, the `mean` of their normalised embeddings (for cosines only).
        progress: called with gallery rows done, over all searches.
        optimistic: search the closed set again, with ties counted in favour, for an audit.

    Raises:
        DataError: images without embedding, a probe without mate, an impostor with one, an image on both
            sides, templates that are to be compared by distance.
    """
    closed, open_set, people, favoured = None, None, None, None
    closed_set, open_rates = None, None
    if trial.closed:
        gallery, probes = trial.closed
        _check_people(gallery, probes)
        _check_images(embeddings, gallery, probes)
        closed = _find(embeddings, gallery, probes, fuse, similarity, progress)
        if optimistic:
            favoured = _find(embeddings, gallery, probes, fuse, similarity, None, optimistic=True).rank
        people = numbered(probes.people)
        closed_set = _closed_result(closed, people, len(gallery), ranks)
    if trial.open:
        gallery, genuine, impostors = trial.open
        _check_people(gallery, genuine, impostors)
        _check_images(embeddings, gallery, genuine, impostors)
        found = _find(embeddings, gallery, genuine, fuse, similarity, progress)
        vectors = embeddings.vectors[embeddings.rows(impostors.images)]
        entries = _gallery(embeddings, gallery, fuse, similarity)[0]
        scores, mates = highest(entries, vectors, progress, similarity)
        open_set = metrics.OpenSet(
            found,
            scores,
            numbered(genuine.people),
            numbered(impostors.people),
            mates,
            len(set(gallery.people)),
        )
        open_rates = OpenSet(
            gallery=len(gallery),
            genuine=len(genuine),
            impostors=len(impostors),
            dir=tuple(DirAtFar(**asdict(metrics.dir_at_far(open_set, far))) for far in fars),
        )
    result = IdentificationTrial(name=trial.name, closed_set=closed_set, open_set=open_rates)
    return MeasuredTrial(trial.name, closed, open_set, result, people, favoured)


def _closed_result(found: Found, people: Rows, gallery: int, ranks: Sequence[int]) -> ClosedSet:
    shared = shared_people(people)
    return ClosedSet(
        gallery=gallery,
        probes=len(found.rank),
        rank={str(k): metrics.rank_rate(found.rank, k) for k in ranks},
        rank_interval={str(k): rate_interval(found.rank <= k, shared) if shared else None for k in ranks},
    )


def searched_rows(trial: Trial) -> int:
    """Gallery rows that `identify` goes through, for a progress bar."""
    return (len(trial.closed[0]) if trial.closed else 0) + (2 * len(trial.open[0]) if trial.open else 0)


def summary(measured: Sequence[MeasuredTrial]) -> dict[str, Any]:
    """The fields `closed_set`, `open_set` and `trials` of a result: of several trials, mean and standard
    deviation (ddof=1)."""
    found = [m.result for m in measured]
    if len(found) == 1:
        return {"closed_set": found[0].closed_set, "open_set": found[0].open_set}
    closed = [trial.closed_set for trial in found if trial.closed_set]
    opened = [trial.open_set for trial in found if trial.open_set]
    return {
        "closed_set": _mean_closed_set(closed) if len(closed) == len(found) else None,
        "open_set": _mean_open_set(opened) if len(opened) == len(found) else None,
        "trials": tuple(found),
    }


def _mean_closed_set(sets: Sequence[ClosedSet]) -> ClosedSet:
    rates = {k: [one.rank[k] for one in sets] for k in sets[0].rank}
    return ClosedSet(
        gallery=_mean_count([one.gallery for one in sets]),
        probes=_mean_count([one.probes for one in sets]),
        rank={k: float(np.mean(values)) for k, values in rates.items()},
        rank_std={k: float(np.std(values, ddof=1)) for k, values in rates.items()},
    )


def _mean_open_set(sets: Sequence[OpenSet]) -> OpenSet:
    return OpenSet(
        gallery=_mean_count([one.gallery for one in sets]),
        genuine=_mean_count([one.genuine for one in sets]),
        impostors=_mean_count([one.impostors for one in sets]),
        dir=tuple(_mean_point(points) for points in zip(*(one.dir for one in sets), strict=True)),
    )


def _mean_count(counts: Sequence[float]) -> float:
    return counts[0] if len(set(counts)) == 1 else float(np.mean(counts))


def _mean_point(points: Sequence[DirAtFar]) -> DirAtFar:
    rates = [point.dir for point in points]
    return DirAtFar(
        far=points[0].far,
        rank=points[0].rank,
        dir=float(np.mean(rates)),
        std=float(np.std(rates, ddof=1)),
        threshold=float(np.mean([point.threshold for point in points])),
        achieved_far=float(np.mean([point.achieved_far for point in points])),
    )


def transformed(
    embeddings: Embeddings, transform: Transform, fit_on: Embeddings, trials: Sequence[Trial]
) -> tuple[Embeddings, list[str]]:
    """`embeddings` after a transform fitted on `fit_on`, and the people of `fit_on` whom the trials know.

    Raises:
        DataError: images of the trials are among those to fit on, or the transform cannot be fitted.
    """
    sets = [part for trial in trials for parts in (trial.closed, trial.open) if parts for part in parts]
    tested = {stem(image) for part in sets for image in part.images}
    leaks = sorted(name for name in fit_on.names if stem(name) in tested)
    if leaks:
        raise DataError(
            f"{fit_on.source}: {len(leaks)} of its images are in the gallery or among the probes: "
            f"{listing(leaks)}; fit on other images"
        )
    known = {identity(name) for name in fit_on.names} & {person for part in sets for person in part.people}
    vectors = transform.fitted_on(np.asarray(fit_on.vectors), np.asarray(embeddings.vectors))
    return Embeddings(embeddings.names, vectors, embeddings.meta, embeddings.source), sorted(known)


def _gallery(
    embeddings: Embeddings, gallery: Named, fuse: Fuse, similarity: Similarity
) -> tuple[Gallery, dict[str, int]]:
    rows = embeddings.rows(gallery.images)
    groups = group_rows(gallery.people)
    numbers = {person: number for number, person in enumerate(groups)}
    if fuse == "mean" and len(groups) < len(gallery):
        if similarity != "cosine":
            raise DataError("templates are means of normalised embeddings: they are compared by cosine only")
        vectors = pooled(embeddings.vectors, [rows[places] for places in groups.values()])
        everyone = np.arange(len(groups))
        return Gallery(vectors, everyone, everyone), numbers
    return Gallery(embeddings.vectors, rows, np.array([numbers[p] for p in gallery.people])), numbers


def _find(
    embeddings: Embeddings,
    gallery: Named,
    probes: Named,
    fuse: Fuse,
    similarity: Similarity,
    progress: Progress | None,
    optimistic: bool = False,
) -> Found:
    entries, numbers = _gallery(embeddings, gallery, fuse, similarity)
    vectors = embeddings.vectors[embeddings.rows(probes.images)]
    people = np.array([numbers[p] for p in probes.people])
    return find(entries, vectors, people, progress, similarity, optimistic)


def _check_people(gallery: Named, probes: Named, impostors: Named | None = None) -> None:
    enrolled = set(gallery.people)
    lonely = sorted(set(probes.people) - enrolled)
    if lonely:
        raise DataError(f"{len(lonely)} people have probes and no gallery image: {listing(lonely)}; add them")
    known = sorted(enrolled & set(impostors.people)) if impostors else []
    if known:
        raise DataError(
            f"{len(known)} impostors are in the gallery: {listing(known)}; remove them from one list"
        )


def _check_images(embeddings: Embeddings, *sets: Named) -> None:
    """No image may be in two places, under two spellings of its name neither."""
    names = [name for part in sets for name in part.images]
    _, first, count = np.unique(embeddings.rows(names), return_index=True, return_counts=True)
    twice = sorted(names[row] for row in first[count > 1])
    if twice:
        raise DataError(
            f"{len(twice)} images are in the gallery and among the probes, or twice in one of them: "
            f"{listing(twice)}; a probe must not meet itself"
        )
