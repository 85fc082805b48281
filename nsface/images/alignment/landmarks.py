"""Landmark files: a line for each image with its five points, in one of the two orders in use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from nsface.errors import DataError, shown
from nsface.images.alignment.similarity import residual
from nsface.images.alignment.templates import Points, template
from nsface.names import stem
from nsface.text import text_lines

Order = Literal["auto", "xyxy", "xxyy"]
_NUMBERS = 10
_MAX_COORDINATE = 1e6  # pixels; no image is as large
_SAMPLE = 200  # lines by which the order is recognised
_FACE_RESIDUAL = 0.3  # points in the right order have a smaller residual; in the wrong one it is above 0.4


class Located(NamedTuple):
    """The five points of a face, and what is known of them.

    Attributes:
        points: 5 × 2, x and y in pixels.
        confidence: the detector's; None if unknown.
        line: in the file of the points.
        faces: how many the detector has found in the image.
    """

    points: Points
    confidence: float | None
    line: int | None = None
    faces: int | None = None


@dataclass(frozen=True)
class Landmarks:
    """The content of a landmark file.

    Attributes:
        location: the path of the file.
        order: `xyxy` for x1 y1 … x5 y5, `xxyy` for x1 … x5 y1 … y5.
        located: the points of each image, by its name without extension.
    """

    location: str
    order: Order
    located: dict[str, Located]

    def of(self, name: str) -> Located | None:
        """The points of the image `name`, whose extension may differ; None where there are none."""
        return self.located.get(stem(name))


def read_landmarks(path: Path, order: Order = "auto") -> Landmarks:
    """Read lines of a name, ten numbers and perhaps a confidence, separated by tabs or blanks.

    Blank lines and lines that start with `#` are ignored. With `auto` the order is the one in which the
    points have the shape of faces.

    Raises:
        DataError: the file cannot be read, a line has another form, a name occurs twice, or the order cannot
            be recognised; file and line are named.
    """
    rows: dict[str, tuple[int, list[float]]] = {}
    for number, line in enumerate(text_lines(path), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, values = _parsed(line, f"{path}:{number}")
        if rows.setdefault(stem(name), (number, values))[0] != number:
            raise DataError(f"{path}:{number}: {shown(name)} is in a line above already")
    if not rows:
        raise DataError(f"{path}: no landmarks in it; a line is an image's name and ten numbers")
    coordinates = np.array([values[:_NUMBERS] for _, values in rows.values()])
    found = _recognised_order(coordinates[:_SAMPLE], path) if order == "auto" else order
    points = _arranged(coordinates, found)
    located = {
        name: Located(points[row], values[_NUMBERS] if len(values) > _NUMBERS else None, number)
        for row, (name, (number, values)) in enumerate(rows.items())
    }
    return Landmarks(str(path), found, located)


def _parsed(line: str, place: str) -> tuple[str, list[float]]:
    """Name and numbers of a line. A name may have blanks if a tab follows it."""
    name, tab, rest = line.strip().partition("\t")
    words = rest.split() if tab else line.split()[1:]
    name = name if tab else line.split()[0]
    try:
        values = [float(word) for word in words[: _NUMBERS + 2]]
    except ValueError:
        values = []
    if len(values) not in (_NUMBERS, _NUMBERS + 1) or not all(
        abs(value) < _MAX_COORDINATE for value in values
    ):
        raise DataError(
            f"{place}: a name, ten numbers and perhaps a confidence are needed (with tabs between, "
            "if the name has blanks), not "
            f"{shown(line.strip())[:80]!r}"
        )
    return name, values


def _arranged(coordinates: Points, order: Order) -> Points:
    """N × 10 → N × 5 × 2."""
    if order == "xyxy":
        return coordinates.reshape(-1, 5, 2)
    return coordinates.reshape(-1, 2, 5).transpose(0, 2, 1)


def _recognised_order(coordinates: Points, path: Path) -> Order:
    """The order in which most of the points have the shape of a face.

    Raises:
        DataError: they have it in neither order, or in both.
    """
    face = template("arcface")
    orders: list[Order] = ["xyxy", "xxyy"]
    typical = {}
    for order in orders:
        arranged = _arranged(coordinates, order)
        usable = [points for points in arranged if np.ptp(points, axis=0).max() > 1]
        typical[order] = float(np.median([residual(points, face) for points in usable])) if usable else np.inf
    fitting = [order for order, value in typical.items() if value < _FACE_RESIDUAL]
    if len(fitting) != 1:
        which = "both orders" if fitting else "neither order"
        raise DataError(
            f"{path}: the points look like faces in {which} (x1 y1 … x5 y5; x1 … x5 y1 … y5); they "
            "must begin with the eye on the left of the image; --order says in which order they are"
        )
    return fitting[0]
