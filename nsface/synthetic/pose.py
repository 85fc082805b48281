"""Where each pixel of the aligned crop lies on the face.

The head is an ellipsoid that is turned and nodded; the face is drawn on its front. As a detector and aligner
would, the five landmarks of the turned face are fitted to the template by a similarity transform.
"""

from __future__ import annotations

import math
from enum import Enum
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nsface.synthetic.canvas import Window, blob, unit
from nsface.synthetic.conditions import Conditions
from nsface.synthetic.identity import Person
from nsface.synthetic.sheet import COLUMNS, FINENESS, LEFT, ROWS, TOP
from nsface.synthetic.textures import Layer

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

    def sample(self, relief: Layer, planes: Layer) -> Layer:
        """What the pixels show of a sheet: planes × height × width. What stands out moves further."""
        lift = relief.take(self._points(self.x, self.y))
        return planes.take(self._points(self.x - self.sine * lift, self.y - self._nod_sine * lift), axis=1)

    @staticmethod
    def _points(x: Layer, y: Layer) -> npt.NDArray[np.intp]:
        """Index of the sheet's point nearest to each (x, y)."""
        column, row = x - LEFT, y - TOP
        for place, count in ((column, COLUMNS), (row, ROWS)):
            place *= FINENESS
            place += 0.5
            place.clip(0, count - 1, out=place)
            np.trunc(place, out=place)
        row *= COLUMNS
        row += column  # whole numbers below 2²⁴: exact in float32
        return row.astype(np.intp)

    def _express(self, person: Person, conditions: Conditions) -> None:
        """Pull brows, eyes and the corners of the mouth: a pixel then shows another point of the face."""
        height = person.eye_height + person.brow_height
        here = self.window(0, height, 34, 12)
        self.y[here] += conditions.brows * blob(self.x[here], self.y[here] - height, 34, 12)
        here = self.window(0, person.eye_height, person.eye_gap + 10, 8)
        dy = self.y[here] - person.eye_height
        narrowed = conditions.squint + 0.1 * max(conditions.smile, 0.0)
        self.y[here] += dy * unit(1 - np.abs(dy) * 0.125) * narrowed
        here = self.window(0, person.mouth_height, person.mouth_width + 10, 15)
        x, dy = self.x[here], self.y[here] - person.mouth_height
        pull = blob(x, dy, person.mouth_width + 10, 15) * conditions.smile
        u = x * (1 / person.mouth_width)
        self.y[here] += pull * (u * u) * 2.4
        self.x[here] -= pull * x * 0.1

    def _turned(self, x: float, y: float, lift: float) -> tuple[float, float]:
        """Where a point of the face, `lift` pixels above the ellipsoid, is in the plane of the image."""
        fall = (y - _HEAD_MIDDLE) / _HEAD_HALF
        depth = math.sqrt(max(self._radius * self._radius * max(1 - fall * fall, 0.0) - x * x, 0.0)) + lift
        return self._cosine * x + self.sine * depth, self._nod_cosine * y + self._nod_sine * depth

    def _surface(self, across: Layer, down: Layer) -> Layer:
        fall = (down - _HEAD_MIDDLE) * (self._radius / _HEAD_HALF)
        squared = self._radius * self._radius - across * across - fall * fall
        return np.sqrt(np.maximum(squared, 0.0, out=squared), out=squared)

    def _fit(self, points: list[tuple[float, float]], conditions: Conditions, offset: float) -> None:
        """Least-squares similarity from `points` to the template, then the aligner's errors."""
        target = [(x - _CENTRE[0], y - _CENTRE[1]) for x, y in _TEMPLATE]
        # Not sum(): Python 3.12 changed how it rounds.
        mean_x, mean_y = (math.fsum(p[i] for p in points) / 5 for i in (0, 1))
        goal_x, goal_y = (math.fsum(t[i] for t in target) / 5 for i in (0, 1))
        a = b = size = 0.0
        for (px, py), (tx, ty) in zip(points, target, strict=True):
            dx, dy = px - mean_x, py - mean_y
            a += dx * (tx - goal_x) + dy * (ty - goal_y)
            b += dx * (ty - goal_y) - dy * (tx - goal_x)
            size += dx * dx + dy * dy
        a, b = a / size * conditions.zoom, b / size * conditions.zoom
        self._a, self._b = a - b * conditions.turn, b + a * conditions.turn
        self._right = (
            goal_x - (self._a * mean_x - self._b * mean_y) + conditions.shift[0] + offset + _CENTRE[0]
        )
        self._lower = goal_y - (self._b * mean_x + self._a * mean_y) + conditions.shift[1] + _CENTRE[1]


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
