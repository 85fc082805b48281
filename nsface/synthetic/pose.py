"""Where each pixel of the aligned crop lies on the face.

The head is an ellipsoid that is turned and nodded; the face is drawn on its front. As a detector and aligner
would, the five landmarks of the turned face are fitted to the template by a similarity transform.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nsface.synthetic.canvas import Window, blob, positive, unit
from nsface.synthetic.conditions import Conditions
from nsface.synthetic.identity import Person
from nsface.synthetic.sheet import COLUMNS, FINENESS, LEFT, ROWS, TOP
from nsface.synthetic.textures import Layer

Points = npt.NDArray[np.intp]  # height × width, indices into a layer of a sheet

_CENTRE = (48.0, 72.0)  # pixel of the 112 × 96 crop where the face's own coordinates begin
_TEMPLATE = (  # eyes, nose, mouth corners in the 112 × 96 crop
    (30.2946, 51.6963),
    (65.5318, 51.5014),
    (48.0252, 71.7366),
    (33.5493, 92.3655),
    (62.7299, 92.2041),
)
_HEAD_MIDDLE, _HEAD_HALF = -10.0, 68.0  # of the ellipsoid, down the image
NOSE_DEPTH = 11.0  # how far the tip stands out, pixels


def _mean(points: Iterable[tuple[float, float]]) -> tuple[float, float]:
    x, y = zip(*points, strict=True)
    return math.fsum(x) / 5, math.fsum(y) / 5  # not sum(): Python 3.12 changed how it rounds


# The template's mean from the face's origin, and its points from there.
_GOAL = _mean((x - _CENTRE[0], y - _CENTRE[1]) for x, y in _TEMPLATE)
_SPREAD = [(x - _CENTRE[0] - _GOAL[0], y - _CENTRE[1] - _GOAL[1]) for x, y in _TEMPLATE]


class Size(Enum):
    """Height and width of the crop; the wider one has the template eight pixels to the right."""

    H112_W96 = (112, 96)
    H112_W112 = (112, 112)

    @classmethod
    def of(cls, text: str) -> Size:
        """The size written as `112x96`, height first."""
        height, width = text.split("x")
        return cls((int(height), int(width)))


class View:
    """Coordinates of every pixel under one pose; all arrays float32, height × width.

    Attributes:
        across, down: in the plane of the image, upright, pixels from the face's origin.
        depth: of the head's surface towards the viewer, pixels; 0 outside the head.
        x, y: on the face, before it was turned.
        sine: of the angle the face is turned by.
    """

    def __init__(self, person: Person, conditions: Conditions, size: Size) -> None:
        self._cosine, self.sine = _angle(conditions.yaw)
        self._nod_cosine, self._nod_sine = _angle(conditions.pitch)
        self._radius = 1.12 * person.width
        smile = conditions.smile
        eyes = [(side * person.eye_gap, person.eye_height, 0.0) for side in (-1, 1)]
        corner = person.mouth_width + 1.2 * smile, person.mouth_height - 1.6 * smile
        mouth = [(side * corner[0], corner[1], 0.0) for side in (-1, 1)]
        points = [self._turned(*p) for p in (*eyes, (0.0, person.nose_end, NOSE_DEPTH), *mouth)]
        self._fit(points, conditions, (size.value[1] - 96) / 2)

        columns, rows = _grid(size)
        scale = self._a * self._a + self._b * self._b
        c, s = self._a / scale, self._b / scale
        u, v = columns - self._right, rows - self._lower
        self.across: Layer = c * u + s * v
        self.down: Layer = c * v - s * u
        self.depth = self._surface(self.across, self.down)
        self.x: Layer = self._cosine * self.across - self.sine * self.depth
        self.y: Layer = self._nod_cosine * self.down - self._nod_sine * self.depth
        self._express(person, conditions)

    def window(self, x: float, y: float, reach_x: float, reach_y: float) -> Window:
        """The part of the image that shows the face within `reach_x` and `reach_y` of (x, y)."""
        across, down = self._turned(x, y, 0.0)
        column = self._a * across - self._b * down + self._right
        row = self._b * across + self._a * down + self._lower
        height, width = self.x.shape
        return _span(row, reach_y + 3, height), _span(column, reach_x + 3, width)

    def points(self, relief: Layer) -> Points:
        """The points of a sheet with this `relief` that the pixels show. What stands out moves further."""
        lift = relief.take(_nearest(self.x - LEFT, self.y - TOP))
        x = self.x - self.sine * lift
        lift *= self._nod_sine
        y = self.y - lift
        x -= LEFT
        y -= TOP
        return _nearest(x, y)

    def _express(self, person: Person, conditions: Conditions) -> None:
        """Pull brows, eyes and the corners of the mouth: a pixel then shows another point of the face."""
        height = person.eye_height + person.brow_height
        x, y = self._near(0, height, 34, 12)
        y += blob(x, y - height, 34, 12) * conditions.brows
        _, y = self._near(0, person.eye_height, person.eye_gap + 10, 8)
        dy = y - person.eye_height
        narrowed = conditions.squint + 0.1 * max(conditions.smile, 0.0)
        y += dy * unit(1 - np.abs(dy) * 0.125) * narrowed
        x, y = self._near(0, person.mouth_height, person.mouth_width + 10, 15)
        pull = blob(x, y - person.mouth_height, person.mouth_width + 10, 15) * conditions.smile
        u = x * (1 / person.mouth_width)
        y += pull * (u * u) * 2.4
        x -= pull * x * 0.1

    def _near(self, x: float, y: float, reach_x: float, reach_y: float) -> tuple[Layer, Layer]:
        """The coordinates in a window, to be changed in place."""
        here = self.window(x, y, reach_x, reach_y)
        return self.x[here], self.y[here]

    def _turned(self, x: float, y: float, lift: float) -> tuple[float, float]:
        """Where a point of the face, `lift` pixels above the ellipsoid, is in the plane of the image."""
        fall = (y - _HEAD_MIDDLE) / _HEAD_HALF
        depth = math.sqrt(max(self._radius * self._radius * max(1 - fall * fall, 0.0) - x * x, 0.0)) + lift
        return self._cosine * x + self.sine * depth, self._nod_cosine * y + self._nod_sine * depth

    def _surface(self, across: Layer, down: Layer) -> Layer:
        fall = down - _HEAD_MIDDLE
        fall *= self._radius / _HEAD_HALF
        fall *= fall
        squared = self._radius * self._radius - across * across
        squared -= fall
        return np.sqrt(positive(squared), out=squared)

    def _fit(self, points: list[tuple[float, float]], conditions: Conditions, offset: float) -> None:
        """Least-squares similarity from `points` to the template, then the aligner's errors."""
        mean_x, mean_y = _mean(points)
        goal_x, goal_y = _GOAL
        a = b = size = 0.0
        for (px, py), (tx, ty) in zip(points, _SPREAD, strict=True):
            dx, dy = px - mean_x, py - mean_y
            a += dx * tx + dy * ty
            b += dx * ty - dy * tx
            size += dx * dx + dy * dy
        a, b = a / size * conditions.zoom, b / size * conditions.zoom
        self._a, self._b = a - b * conditions.turn, b + a * conditions.turn
        self._right = (
            goal_x - (self._a * mean_x - self._b * mean_y) + conditions.shift[0] + offset + _CENTRE[0]
        )
        self._lower = goal_y - (self._b * mean_x + self._a * mean_y) + conditions.shift[1] + _CENTRE[1]


def _nearest(x: Layer, y: Layer) -> Points:
    """Index of the sheet's point nearest to each (x, y), pixels from its corner; overwrites both."""
    for place, count in ((x, COLUMNS), (y, ROWS)):
        place *= FINENESS
        place += 0.5
        place.clip(0, count - 1, out=place)
    index = y.astype(np.uint16)  # the sheet has fewer than 2¹⁶ points
    index *= COLUMNS
    index += x.astype(np.uint16)
    return index.astype(np.intp)


def _angle(half_tangent: float) -> tuple[float, float]:
    """Cosine and sine from the tangent of half the angle: no library function whose last bit may differ."""
    square = half_tangent * half_tangent
    return (1 - square) / (1 + square), 2 * half_tangent / (1 + square)


def _span(centre: float, reach: float, limit: int) -> slice:
    first = min(max(int(centre - reach), 0), limit - 1)
    return slice(first, min(max(int(centre + reach) + 1, first + 1), limit))


@lru_cache(maxsize=2)
def _grid(size: Size) -> tuple[Layer, Layer]:
    height, width = size.value
    return np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
