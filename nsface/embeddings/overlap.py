"""People of a training set who seem to be in a test set, by embeddings and by name. Without torch.

An identity is a template, the normalised mean of its images' normalised embeddings; the score of a training
identity and a person of the test set is the cosine of their templates.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsface.embeddings.file import Embeddings
from nsface.embeddings.pooling import group_rows
from nsface.errors import DataError, shown
from nsface.metrics.similarity import unit
from nsface.names import stem
from nsface.text import text_lines

Vectors = npt.NDArray[np.float32]
_BLOCK = 1024  # training identities at once


@dataclass(frozen=True)
class Match:
    """A training identity and the person of the test set who may be the same.

    Attributes:
        score: cosine of their templates.
        by_name: whether they have one name.
        by_picture: whether a picture is in both sets.
        lead: how far the score is above the person's with any other identity; below 0 where another
            identity is more like the person. Without another, its score counts as −1.
        images: that picture, or their most similar two images.
        image_score: cosine of these two: near 1 for a picture that is in both sets.
        candidates: the best persons for this identity with their scores, best first.
    """

    identity: str
    person: str
    score: float
    by_name: bool
    by_picture: bool
    lead: float
    images: tuple[str, str]
    image_score: float
    candidates: tuple[tuple[str, float], ...]


def find_overlap(
    train: Embeddings,
    test: Embeddings,
    names: Mapping[str, str] | None = None,
    pictures: Sequence[tuple[int, int]] = (),
    candidates: int = 10,
) -> list[Match]:
    """The person of `test` who is most like each identity of `train`, by descending score.

    An identity whose name (`names`, or what it is called itself) is that of a person is matched with that
    person, whatever the scores, and so is one that shares a picture with a person. Names are compared without
    case, accents and the signs between the words.

    Args:
        names: names of training identities, where they are called otherwise.
        pictures: images known to be the same, as rows of `train` and of `test`.
        candidates: how many persons each match lists, at least 1.

    Raises:
        DataError: embeddings of different models or lengths, or images that lie in no identity's folder.
    """
    one, two = train.meta.get("model_digest"), test.meta.get("model_digest")
    if train.vectors.shape[1] != test.vectors.shape[1] or one != two:
        raise DataError(
            f"{shown(train.source)} and {shown(test.source)}: not by the same model; extract both with one"
        )
    left, right = _People(train), _People(test)
    highest, closest = _two_highest(right.templates, left.templates)
    known = {_plain(person): number for number, person in reversed(list(enumerate(right.names)))}
    shared = {int(left.labels[row]): (row, other) for row, other in reversed(pictures)}
    count = min(candidates, len(right.names))
    matches = []
    for first in range(0, len(left.names), _BLOCK):
        scores = left.templates[first : first + _BLOCK] @ right.templates.T
        lowest = np.partition(scores, -count, axis=1)[:, -count]
        for row, identity in enumerate(left.names[first : first + _BLOCK]):
            high = np.flatnonzero(scores[row] >= lowest[row])
            best = high[np.argsort(-scores[row, high], kind="stable")][:count]
            called = _plain((names or {}).get(identity, identity))
            named = known.get(called) if called else None
            picture = shared.get(first + row)
            person = int(best[0]) if named is None else named
            if picture and named is None:
                person = int(right.labels[picture[1]])
            by_picture = picture is not None and int(right.labels[picture[1]]) == person
            rows = picture if picture and by_picture else (left.rows[first + row], right.rows[person])
            score = float(scores[row, person])
            next_highest = highest[person, 1 if closest[person] == first + row else 0]
            images, image_score = _nearest(train, np.atleast_1d(rows[0]), test, np.atleast_1d(rows[1]))
            matches.append(
                Match(
                    identity,
                    right.names[person],
                    score,
                    named is not None,
                    by_picture,
                    score - float(next_highest),
                    images,
                    image_score,
                    tuple((right.names[other], float(scores[row, other])) for other in best),
                )
            )
    return sorted(matches, key=lambda match: (-match.score, match.identity))


class _People:
    """Names, rows and templates (normalised) of the identities of an embeddings file; each row's number."""

    def __init__(self, embeddings: Embeddings) -> None:
        groups = group_rows([name.rpartition("/")[0] for name in embeddings.names])
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


def _plain(name: str) -> str:
    """A name to compare: the last folder with a word (a video's is a number), without case, accents and signs
    between words; '' where there is none."""
    for folder in reversed(name.split("/")):
        decomposed = unicodedata.normalize("NFKD", folder)
        letters = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
        words = "".join(c if c.isalnum() else " " for c in letters).split()
        if any(word.isalpha() for word in words):
            return " ".join(words)
    return ""


def named_identities(train: Embeddings, test: Embeddings, names: Mapping[str, str] | None = None) -> int:
    """How many identities of `train` have a name to compare with those of `test`.

    Numbers are no names, nor are numbers with a word before them (`celeba_00001`), unless `test` has such
    with the same word.
    """
    people = {_plain(folder) for folder in {name.rpartition("/")[0] for name in test.names}} - {""}
    if not people:
        return 0
    series = set(map(_series, people)) - {None}
    identities = {name.rpartition("/")[0] for name in train.names}
    called = [_plain((names or {}).get(identity, identity)) for identity in identities]
    return sum(name != "" and (_series(name) is None or _series(name) in series) for name in called)


def _series(plain: str) -> str | None:
    """Of a plain name with a number its words; None of one without."""
    words = plain.split()
    return None if all(map(str.isalpha, words)) else " ".join(filter(str.isalpha, words))


def read_names(path: Path) -> dict[str, str]:
    """Read names of identities: `identity name` a line, between them a tab, a comma or a blank.

    Blank lines and lines that start with `#` are passed over.

    Raises:
        DataError: cannot be read, a line without a name, or an identity with two; file and line are named.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text_lines(path), start=1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        separator = next((mark for mark in "\t," if mark in entry), " ")
        identity, _, rest = entry.partition(separator)
        name = rest.split(separator)[0].strip(' "') if separator != " " else rest.strip(' "')
        if not name:
            raise DataError(
                f"{shown(path)}:{number}: an identity and its name are needed, not {entry[:60]!r}"
            )
        before = found.setdefault(identity.strip(), name)
        if before != name:
            raise DataError(
                f"{shown(path)}:{number}: {shown(identity.strip())} is called '{shown(name)}' here and "
                f"'{shown(before)}' before; remove one"
            )
    return found


def names_digest(names: Sequence[str]) -> str:
    """SHA-256 of a set of image names, without their extensions and order: which test set it is."""
    return hashlib.sha256("\n".join(sorted(stem(name) for name in names)).encode()).hexdigest()
