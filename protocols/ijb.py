"""IJB-B and IJB-C, template 1:1, from the published metadata files.

`*_face_tid_mid.txt`: `image template media` a line. `*_template_pair_label.txt`: `template1 template2 label`
a line, some 15 million of them. Faces of one medium are averaged, media are summed, the template is
normalised.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.embeddings.file import Embeddings
from nsface.errors import DataError
from nsface.files import reason
from nsface.metrics.roc import Roc, auc, eer, roc, tar_at_far
from nsface.metrics.shared_people import SharedPeople, rate_interval
from nsface.metrics.similarity import unit
from nsface.protocols.lists import Line, read_lines

FARS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
Ints = npt.NDArray[np.int64]
_CHUNK_BYTES = 1 << 24
_FACES = 2048


@dataclass(frozen=True)
class Faces:
    """N faces: image name, template and medium of each."""

    images: list[str]
    templates: Ints
    media: Ints


@dataclass(frozen=True)
class TemplatePairs:
    """P pairs of rows into `templates`, (T,) sorted template numbers."""

    templates: Ints
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    same: npt.NDArray[np.bool_]


def read_faces(path: str | os.PathLike[str]) -> Faces:
    """Read `*_face_tid_mid.txt`.

    Raises:
        DataError: a malformed line.
    """
    rows = []
    for line in read_lines(path):
        name, template, medium = line.fields(3, "image template media")
        rows.append((name, line.integer(template, "template", 0), line.integer(medium, "medium", 0)))
    images, templates, media = zip(*rows, strict=True)
    return Faces(list(images), np.array(templates), np.array(media))


def read_template_pairs(path: str | os.PathLike[str], faces: Faces) -> TemplatePairs:
    """Read `*_template_pair_label.txt`, a part at a time.

    Raises:
        DataError: a malformed line, or a template without faces.
    """
    known = np.unique(faces.templates)
    left, right, same = [], [], []
    for rows in _numbers(Path(path), known):
        left.append(np.searchsorted(known, rows[:, 0]).astype(np.int32))
        right.append(np.searchsorted(known, rows[:, 1]).astype(np.int32))
        same.append(rows[:, 2] == 1)
    if not left:
        raise DataError(f"{path}:1: the file is empty; give a list of template pairs")
    return TemplatePairs(known, np.concatenate(left), np.concatenate(right), np.concatenate(same))


def _numbers(path: Path, known: Ints) -> Iterator[Ints]:
    """Parts of the file as (n, 3) numbers, checked."""
    try:
        with path.open("rb") as file:
            done = 0
            while chunk := file.read(_CHUNK_BYTES):
                chunk += file.readline()
                if rows := _parsed(chunk, known):
                    yield rows[0]
                elif chunk.strip():
                    _locate(chunk, path, done, known)
                done += chunk.count(b"\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error


def _parsed(chunk: bytes, known: Ints) -> list[Ints]:
    """[the chunk's numbers], or [] if any line of it is not as it must be."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            flat = np.fromstring(chunk.removeprefix(b"\xef\xbb\xbf"), dtype=np.int64, sep=" ")
        except (ValueError, DeprecationWarning):
            return []
    if not len(flat) or not _three_a_line(chunk):
        return []
    rows = flat.reshape(-1, 3)
    sound = np.isin(rows[:, 2], (0, 1)).all() and np.isin(rows[:, :2], known, kind="sort").all()
    return [rows] if sound else []


def _three_a_line(chunk: bytes) -> bool:
    """Whether three fields begin on every line."""
    characters = np.frombuffer(chunk.rstrip() + b"\n", dtype=np.uint8)
    blank = characters <= ord(" ")
    starts = np.flatnonzero(np.append(True, blank[:-1]) & ~blank)
    ends = np.flatnonzero(characters == ord("\n"))
    return bool(
        len(starts) == 3 * len(ends) and (starts[2::3] < ends).all() and (starts[3::3] > ends[:-1]).all()
    )


def _locate(chunk: bytes, path: Path, done: int, known: Ints) -> None:
    """Raise for the first bad line of a chunk that follows `done` lines."""
    numbers = set(known.tolist())
    text = chunk.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    for offset, content in enumerate(text.rstrip().splitlines(), 1):
        line = Line(content, done + offset, path)
        first, second, label = line.fields(3, "template1 template2 label")
        for template in (first, second):
            if line.integer(template, "template", 0) not in numbers:
                raise line.error(
                    f"template {template} has no faces", "give the face list of the same release"
                )
        line.flag(label)
    raise DataError(f"{path}:{done + 1}: lines run into each other; give three numbers a line")


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
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right = pairs.left[pairs.same], pairs.right[pairs.same]
    size = len(pairs.templates)
    links = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(size, size))
    person: Ints = connected_components(links, directed=False)[1][left].astype(np.int64)
    return person


def score_templates(vectors: npt.NDArray[np.float32], pairs: TemplatePairs) -> npt.NDArray[np.float32]:
    """(P,) cosines of template pairs, float32; few enough pairs at a time to stay in cache."""
    scores = np.empty(len(pairs.left), dtype=np.float32)
    step = max(1, (1 << 19) // vectors.shape[1])
    for start in range(0, len(scores), step):
        part = slice(start, start + step)
        np.einsum("ij,ij->i", vectors[pairs.left[part]], vectors[pairs.right[part]], out=scores[part])
    return scores


def result(
    faces: Faces,
    pairs: TemplatePairs,
    curve: Roc,
    scores: npt.NDArray[np.float32],
    fars: tuple[float, ...] = FARS,
) -> dict[str, Any]:
    """The documented JSON object."""
    person, genuine = people_of(pairs), scores[pairs.same]
    shared = SharedPeople(person, person) if len(np.unique(person)) > 1 else None
    points = []
    for point in (tar_at_far(curve, far) for far in fars):
        interval = rate_interval(genuine >= np.float64(point.threshold), shared) if shared else None
        points.append(asdict(point) | {"identity_interval": list(interval) if interval else None})
    return {
        "protocol": "ijb",
        "images": len(faces.images),
        "templates": len(pairs.templates),
        "pairs": len(pairs.same),
        "genuine": int(pairs.same.sum()),
        "auc": auc(curve),
        "eer": eer(curve),
        "tar_at_far": points,
        "similarity": "cosine",
    }


def curve_of(scores: npt.NDArray[np.float32], pairs: TemplatePairs) -> Roc:
    """The ROC over all template pairs."""
    return roc(scores, pairs.same)
