"""Templates of IJB-B and IJB-C, from the published metadata files.

`*_face_tid_mid.txt`: `image template media` a line. `*_template_pair_label.txt`: `template1 template2 label`
a line, some 15 million of them. Faces of one medium are averaged, media are summed, the template is
normalised.

A template without a face that has an embedding failed to enrol. Lists with such templates are refused, or,
where that is asked for, their pairs score below all others and are counted.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError, shown
from nsface.files import reason
from nsface.groups import connected_groups
from nsface.protocols.lists import Line, read_lines
from nsface.results.rates import FailedToEnrol
from nsface.text import refuse_utf16
from nsface.vectors import unit

Ints = npt.NDArray[np.int64]
_CHUNK_BYTES = 1 << 24
_FACES = 2048
_HIGHEST = 10**9  # no number of a template reaches it
_PLAIN = np.isin(np.arange(256), np.frombuffer(b"0123456789 \t\r\n", np.uint8))  # bytes of a list of numbers
FAILED_SCORE = np.float32(-2)  # below every cosine


@dataclass(frozen=True)
class Faces:
    """N faces.

    Attributes:
        images: N names.
        templates, media: (N,) the numbers of each face's template and medium.
    """

    images: list[str]
    templates: Ints
    media: Ints


@dataclass(frozen=True)
class TemplatePairs:
    """P pairs of templates.

    Attributes:
        templates: (T,) template numbers, ascending.
        left, right: (P,) places in `templates`.
        same: (P,) booleans, whether both templates are of one person.
        without_faces: places of the templates that failed to enrol.
    """

    templates: Ints
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    same: npt.NDArray[np.bool_]
    without_faces: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def enrolled(self) -> npt.NDArray[np.bool_]:
        """(T,) whether a template has faces."""
        return ~np.isin(np.arange(len(self.templates)), self.without_faces)

    @property
    def failed(self) -> npt.NDArray[np.bool_]:
        """(P,) whether one template of a pair, or both, failed to enrol."""
        enrolled = self.enrolled
        return np.asarray(~(enrolled[self.left] & enrolled[self.right]))


def read_faces(path: str | os.PathLike[str]) -> Faces:
    """Read `*_face_tid_mid.txt`.

    Raises:
        DataError: a malformed line.
    """
    faces = []
    for line in read_lines(path):
        name, template, medium = line.fields(3, "image template media")
        faces.append((name, line.integer(template, "template", 0), line.integer(medium, "medium", 0)))
    images, templates, media = zip(*faces, strict=True)
    return Faces(list(images), np.array(templates), np.array(media))


def with_embedding(faces: Faces, embeddings: Embeddings) -> Faces:
    """Those of `faces` that have an embedding.

    Raises:
        DataError: none has.
    """
    found = np.array(embeddings.has(faces.images))
    if not found.any():
        embeddings.rows(faces.images)  # says which are missing
    images = [image for image, there in zip(faces.images, found.tolist(), strict=True) if there]
    return Faces(images, faces.templates[found], faces.media[found])


def read_template_pairs(path: str | os.PathLike[str], faces: Faces, failures: bool = False) -> TemplatePairs:
    """Read `*_template_pair_label.txt`, a part at a time.

    Args:
        failures: keep pairs of templates without faces, as failed to enrol, instead of refusing the list.

    Raises:
        DataError: a malformed line, a template paired with itself, a pair with two labels, or, unless
            `failures`, a template without faces.
    """
    enrolled = np.unique(faces.templates)
    parts = list(_numbers(Path(path), None if failures else enrolled))
    if not parts:
        raise DataError(f"{shown(path)}:1: the file is empty; give a list of template pairs")
    templates = np.unique(np.concatenate([enrolled, *(np.unique(part[:, :2]) for part in parts)]))
    left, right = (
        np.concatenate([np.searchsorted(templates, part[:, side]).astype(np.int32) for part in parts])
        for side in (0, 1)
    )
    same = np.concatenate([part[:, 2] == 1 for part in parts])
    pairs = TemplatePairs(templates, left, right, same, np.flatnonzero(~np.isin(templates, enrolled)))
    if len(alone := np.flatnonzero(left == right)):
        raise DataError(
            f"{shown(path)}:{int(alone[0]) + 1}: template {int(templates[left[alone[0]]])} is paired with "
            "itself; two templates are needed"
        )
    _check_labels(pairs, Path(path))
    return pairs


def _check_labels(pairs: TemplatePairs, path: Path) -> None:
    """No pair may be of one person in one line and of two in another, in either order."""
    first, second = np.minimum(pairs.left, pairs.right), np.maximum(pairs.left, pairs.right)
    key = (first.astype(np.int64) * len(pairs.templates) + second) * 2 + pairs.same
    ordered = np.sort(key)
    both = ordered[1:][(ordered[1:] // 2 == ordered[:-1] // 2) & (ordered[1:] != ordered[:-1])]
    if len(both):
        lines = [int(np.flatnonzero(key == wanted)[0]) + 1 for wanted in (both[0] - 1, both[0])]
        one, two = (int(pairs.templates[int(places[lines[0] - 1])]) for places in (pairs.left, pairs.right))
        raise DataError(
            f"{shown(path)}:{max(lines)}: templates {one} and {two} have label {int(lines[1] > lines[0])} "
            f"here, and another in line {min(lines)}; correct one of them"
        )


def _numbers(path: Path, known: Ints | None) -> Iterator[npt.NDArray[np.int32]]:
    """Parts of the file as (n, 3) numbers, checked; templates must be among `known` where that is given."""
    try:
        with path.open("rb") as file:
            done = 0
            while chunk := file.read(_CHUNK_BYTES):
                chunk += file.readline()
                if not done:
                    refuse_utf16(chunk, f"{path}:1")
                if rows := _parsed(chunk, known):
                    yield rows[0].astype(np.int32)
                elif chunk.strip():
                    _locate(chunk, path, done, known)
                done += chunk.count(b"\n")
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot be read: {reason(error)}") from error


def _parsed(chunk: bytes, known: Ints | None) -> list[Ints]:
    """[the chunk's numbers], or [] if any line of it is not as it must be."""
    text = chunk.removeprefix(b"\xef\xbb\xbf")
    if not _PLAIN[np.frombuffer(text, np.uint8)].all() or not _three_a_line(text):
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            flat = np.fromstring(text, dtype=np.int64, sep=" ")
        except (ValueError, DeprecationWarning):
            return []
    if not len(flat) or len(flat) % 3:
        return []
    rows = flat.reshape(-1, 3)
    sound = np.isin(rows[:, 2], (0, 1)).all() and rows.min() >= 0 and rows.max() < _HIGHEST
    if known is not None:
        sound = sound and np.isin(rows[:, :2], known, kind="sort").all()
    return [rows] if sound else []


def _three_a_line(text: bytes) -> bool:
    """Whether three fields begin on every line."""
    characters = np.frombuffer(text.rstrip() + b"\n", dtype=np.uint8)
    blank = characters <= ord(" ")
    starts = np.flatnonzero(np.append(True, blank[:-1]) & ~blank)
    ends = np.flatnonzero(characters == ord("\n"))
    return bool(
        len(starts) == 3 * len(ends) and (starts[2::3] < ends).all() and (starts[3::3] > ends[:-1]).all()
    )


def _locate(chunk: bytes, path: Path, done: int, known: Ints | None) -> None:
    """Raise for the first bad line of a chunk that follows `done` lines."""
    numbers = None if known is None else set(known.tolist())
    text = chunk.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    for offset, content in enumerate(text.rstrip().split("\n"), 1):
        line = Line(content, done + offset, path)
        first, second, label = line.fields(3, "template1 template2 label")
        for template in (first, second):
            number = line.integer(template, "template", 0)
            if numbers is not None and number not in numbers:
                raise line.error(
                    f"template {template} has no faces",
                    "give the face list of the same release, or --failure-to-enrol lowest",
                )
        line.flag(label)
    raise DataError(
        f"{shown(path)}:{done + 1}: lines run into each other; "
        "give three numbers per line, separated by blanks"
    )


def template_vectors(embeddings: Embeddings, faces: Faces) -> npt.NDArray[np.float32]:
    """(T, D) normalised templates in the order of sorted template numbers.

    Raises:
        DataError: faces without embedding.
    """
    from scipy.sparse import csr_array

    rows = embeddings.rows(faces.images)
    order = np.lexsort((faces.media, faces.templates))
    templates, media = faces.templates[order], faces.media[order]
    new_template = np.append(True, np.diff(templates) != 0)
    new_medium = new_template | np.append(True, np.diff(media) != 0)
    counts = np.diff(np.append(np.flatnonzero(new_medium), len(order)))
    weights = np.repeat(1 / counts, counts)  # of each face in the mean of its medium
    begins = np.append(np.flatnonzero(new_template), len(order))
    made = np.empty((len(begins) - 1, embeddings.vectors.shape[1]), dtype=np.float32)
    first = 0
    while first < len(made):  # templates of about so many faces at a time as stay in cache
        last = max(first + 1, int(np.searchsorted(begins, begins[first] + _FACES, side="right")) - 1)
        part = slice(begins[first], begins[last])
        block = embeddings.vectors[rows[order[part]]].astype(np.float64)
        ends = begins[first : last + 1] - begins[first]
        shape = (last - first, len(block))
        made[first:last] = unit(csr_array((weights[part], np.arange(len(block)), ends), shape=shape) @ block)
        first = last
    return made


def people_of(pairs: TemplatePairs) -> Ints:
    """Who each genuine pair shows, as a number: templates that genuine pairs link are of one person."""
    left, right = pairs.left[pairs.same], pairs.right[pairs.same]
    return connected_groups(left, right, len(pairs.templates))[left]


def score_templates(vectors: npt.NDArray[np.float32], pairs: TemplatePairs) -> npt.NDArray[np.float32]:
    """(P,) cosines of template pairs, float32; few enough pairs at a time to stay in cache.

    Args:
        vectors: (E, D) normalised templates, those that were enrolled.

    Returns:
        Scores; −2, below every cosine, where a template failed to enrol.
    """
    scores = np.empty(len(pairs.left), dtype=np.float32)
    rows = np.maximum(np.cumsum(pairs.enrolled) - 1, 0)
    step = max(1, (1 << 19) // vectors.shape[1])
    for start in range(0, len(scores), step):
        part = slice(start, start + step)
        left, right = rows[pairs.left[part]], rows[pairs.right[part]]
        np.einsum("ij,ij->i", vectors[left], vectors[right], out=scores[part])
    scores[pairs.failed] = FAILED_SCORE
    return scores


def failures(faces: Faces, enrolled: Faces, pairs: TemplatePairs) -> FailedToEnrol:
    """How many of the list's `faces` have no embedding, how many templates none at all, and their pairs."""
    listed = np.union1d(faces.templates, pairs.templates)
    return FailedToEnrol(
        faces=len(faces.images) - len(enrolled.images),
        templates=len(listed) - len(np.unique(enrolled.templates)),
        pairs=int(pairs.failed.sum()),
        genuine=int((pairs.failed & pairs.same).sum()),
    )
