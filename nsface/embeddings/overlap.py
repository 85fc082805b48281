"""People of a training set who seem to be in a test set, by name, picture and embedding. Without torch.

An identity is a template, the normalised mean of its images' normalised embeddings; the score of a training
identity and a person of the test set is the cosine of their templates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nsface.embeddings.file import Embeddings
from nsface.embeddings.identity_names import comparable, identity_of, named_identities
from nsface.embeddings.overlap_result import Match, Order, Overlap
from nsface.embeddings.pooling import group_rows
from nsface.errors import DataError, shown
from nsface.names import Places, stem
from nsface.vectors import unit

if TYPE_CHECKING:
    from nsface.images.sources import Source

Vectors = npt.NDArray[np.float32]
RowPair = tuple[int, int]  # a row of the training set's embeddings, and one of the test set's
_BLOCK = 1024  # training identities at once


def find_overlap(
    train: Embeddings,
    test: Embeddings,
    *,
    names: Mapping[str, str] | None = None,
    pictures: Sequence[RowPair] | None = None,
    threshold: float | None = None,
    order: Order = "score",
    candidates: int = 10,
) -> Overlap:
    """Find the identities of a training set that seem to be in a test set.

    Every identity is matched with one person of the test set: with the person of the same name, if there is
    one; else with a person who is in one of its pictures; else with the person whose template is most like
    its own. Names are compared without case, accents and the signs between the words.

    Args:
        train, test: embeddings by one model, of images called IDENTITY/IMAGE.jpg.
        names: names of training identities, where they are called otherwise.
        pictures: images that are in both sets, as `shared_rows` finds them; None: they were not looked for.
        threshold: cosine in [−1, 1] from which two identities count as one person.
        order: what the matches are sorted by.
        candidates: how many persons each match lists, at least 1.

    Raises:
        DataError: embeddings of different models or lengths, or images that lie in no identity's folder.

    Example:
        >>> train = Embeddings(["Ann_Lee/1.jpg", "7/1.jpg"], np.eye(2, dtype=np.float32))
        >>> test = Embeddings(["ann lee/2.jpg"], np.ones((1, 2), dtype=np.float32))
        >>> [match.identity for match in find_overlap(train, test).found]
        ['Ann_Lee']
    """
    one, two = train.meta.get("model_digest"), test.meta.get("model_digest")
    if train.vectors.shape[1] != test.vectors.shape[1] or one != two:
        raise DataError(
            f"{shown(train.source)} and {shown(test.source)}: not by the same model; extract both with one"
        )
    matches = _matches(train, test, names or {}, pictures or [], candidates)
    matches.sort(key=lambda match: (-match.score, match.identity))
    if order == "lead":
        matches.sort(key=lambda match: -match.lead)
    named = named_identities(train.names, test.names, names)
    return Overlap(train, test, matches, order, named, pictures is not None, threshold)


def _matches(
    train: Embeddings,
    test: Embeddings,
    names: Mapping[str, str],
    pictures: Sequence[RowPair],
    candidates: int,
) -> list[Match]:
    """The match of every identity of `train`, in the order of their names."""
    left, right = _People(train), _People(test)
    highest, closest = _two_highest(right.templates, left.templates)
    person_called = {comparable(name): number for number, name in reversed(list(enumerate(right.names)))}
    person_called.pop("", None)
    picture_of = {int(left.labels[row]): (row, other) for row, other in reversed(pictures)}
    count = min(candidates, len(right.names))
    matches = []
    for number, scores, best in _best(left.templates, right.templates, count):
        identity, picture = left.names[number], picture_of.get(number)
        named = person_called.get(comparable(names.get(identity, identity)))
        pictured = None if picture is None else int(right.labels[picture[1]])
        person = next(who for who in (named, pictured, int(best[0])) if who is not None)
        rows = (left.rows[number], right.rows[person])
        if picture is not None and pictured == person:
            rows = (np.array(picture[:1]), np.array(picture[1:]))
        images, image_score = _nearest(train, rows[0], test, rows[1])
        next_highest = highest[person, 1 if closest[person] == number else 0]
        match = Match(
            identity=identity,
            person=right.names[person],
            score=float(scores[person]),
            by_name=named is not None,
            by_picture=pictured == person,
            lead=float(scores[person]) - float(next_highest),
            images=images,
            image_score=image_score,
            candidates=tuple((right.names[other], float(scores[other])) for other in best),
        )
        matches.append(match)
    return matches


def _best(
    templates: Vectors, people: Vectors, count: int
) -> Iterator[tuple[int, Vectors, npt.NDArray[np.intp]]]:
    """Each template's number, its scores with all `people`, and the best `count` of them, best first."""
    for first in range(0, len(templates), _BLOCK):
        scores = templates[first : first + _BLOCK] @ people.T
        lowest = np.partition(scores, -count, axis=1)[:, -count]
        for row in range(len(scores)):
            high = np.flatnonzero(scores[row] >= lowest[row])
            yield first + row, scores[row], high[np.argsort(-scores[row, high], kind="stable")][:count]


class _People:
    """Names, rows and templates (normalised) of the identities of an embeddings file; each row's number."""

    def __init__(self, embeddings: Embeddings) -> None:
        groups = group_rows([identity_of(name) for name in embeddings.names])
        if "" in groups:
            raise DataError(
                f"{shown(embeddings.source)}: {shown(embeddings.names[groups[''][0]])} lies in no identity's "
                "folder; names must be IDENTITY/IMAGE.jpg"
            )
        if not groups:
            raise DataError(f"{shown(embeddings.source)}: it has no embeddings; extract them again")
        self.names = sorted(groups)
        self.rows = [groups[name] for name in self.names]
        self.labels = np.empty(len(embeddings.names), dtype=np.int64)
        for label, rows in enumerate(self.rows):
            self.labels[rows] = label
        self.templates: Vectors = unit(
            np.stack([unit(embeddings.vectors[rows]).mean(axis=0) for rows in self.rows])
        )


def _two_highest(people: Vectors, templates: Vectors) -> tuple[Vectors, npt.NDArray[np.intp]]:
    """Of each of `people`, the two highest scores (−1 where there is none), and the template of the first."""
    highest = np.full((len(people), 2), -1, dtype=np.float32)
    closest = np.zeros(len(people), dtype=np.intp)
    for first in range(0, len(templates), _BLOCK):
        scores = people @ templates[first : first + _BLOCK].T
        closer = scores.max(axis=1) > highest[:, 0]
        closest[closer] = first + scores[closer].argmax(axis=1)
        highest = np.partition(np.hstack([highest, scores]), -2, axis=1)[:, :-3:-1]
    return highest, closest


def _nearest(
    train: Embeddings, rows: npt.NDArray[np.int64], test: Embeddings, others: npt.NDArray[np.int64]
) -> tuple[tuple[str, str], float]:
    scores = unit(train.vectors[rows]) @ unit(test.vectors[others]).T
    row, column = np.unravel_index(int(scores.argmax()), scores.shape)
    return (train.names[rows[row]], test.names[others[column]]), float(scores[row, column])


def shared_rows(
    train: Embeddings,
    test: Embeddings,
    train_images: Source,
    test_images: Source,
    progress: Callable[[int], object] | None = None,
) -> list[RowPair]:
    """Rows of both embeddings whose pictures look the same, as `pictures` of `find_overlap`.

    Args:
        train_images, test_images: the images that were extracted; all are decoded.
        progress: called with the number of images done since the last call.
    """
    from nsface.images.inspection.shared_pictures import shared_pictures

    pairs = shared_pictures(train_images, test_images, progress)
    left, right = Places(train.names), Places(test.names)
    rows = [(left.find(train_images.names[one]), right.find(test_images.names[two])) for one, two in pairs]
    # an image that was left out when embeddings were extracted is in no row
    return [(one, two) for one, two in rows if one is not None and two is not None]


def names_digest(names: Sequence[str]) -> str:
    """SHA-256 of a set of image names, without their extensions and order: which test set it is."""
    return hashlib.sha256("\n".join(sorted(stem(name) for name in names)).encode()).hexdigest()
