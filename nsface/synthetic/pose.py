"""Where each pixel of the aligned crop lies on the face.

The head is an ellipsoid that is turned and nodded; the face is drawn on its front. As a detector and aligner
would, the five landmarks of the turned face are fitted to the template by a similarity transform.
"""

from __future__ import annotations

import math
from enum import Enum
from functools import lru_cache, reduce
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nsface.images.alignment.templates import template
from nsface.synthetic.canvas import blob, positive, unit
from nsface.synthetic.conditions import Conditions, PerImage
from nsface.synthetic.identity import Person
from nsface.synthetic.portrait import Points, Portrait
from nsface.synthetic.sheet import FINENESS, LEFT, TOP
from nsface.synthetic.textures import Layer

Numbers = npt.NDArray[np.float64]
Angles = tuple[Numbers, Numbers]  # cosines and sines

_CENTRE = (48.0, 72.0)  # pixel of the 112 × 96 crop where the face's own coordinates begin
# x and y, 2 × 5: eyes, nose, mouth corners in the 112 × 96 crop; four decimals, as they are published
_TEMPLATE = np.round(template("sphereface").points.T, 4)
_HEAD_MIDDLE, _HEAD_HALF = -10.0, 68.0  # of the ellipsoid, down the image
_SMILE = np.array(  # how a smile moves them
    [
        [[0.0], [0.0], [0.0], [-1.2], [1.2]],
        [[0.0], [0.0], [0.0], [-1.6], [-1.6]],
    ]
)
NOSE_DEPTH = 11.0  # how far the tip stands out, pixels
_ROOM = 6  # rows that a pose may move part of the face by

_MEAN = [math.fsum(axis) / 5 for axis in _TEMPLATE]
_SPREAD = [(axis - mean)[:, None] for axis, mean in zip(_TEMPLATE, _MEAN, strict=True)]


class Size(Enum):
    """Height and width of the crop; the wider one has the template eight pixels to the right."""

    H112_W96 = (112, 96)
    H112_W112 = (112, 112)

    @classmethod
    def of(cls, text: str) -> Size:
        """The size written as `112x96`, height first."""
        height, width = text.split("x")
        return cls((int(height), int(width)))


class Pose(NamedTuple):
    """How the heads of N images are turned, and where the aligner puts them: float64, N.

    A point (x, y) of the upright plane of the image is shown at column a·x − b·y + right and row
    b·x + a·y + lower of the 112 × 96 crop.
    """

    cosine: Numbers
    sine: Numbers
    nod_cosine: Numbers
    nod_sine: Numbers
    a: Numbers
    b: Numbers
    right: Numbers
    lower: Numbers

    @classmethod
    def of(cls, person: Person, conditions: Conditions) -> Pose:
        """Least-squares similarity from the landmarks to the template, then the aligner's errors."""
        turn, nod = _angle(conditions.yaw), _angle(conditions.pitch)
        x, y, depth = _landmarks(person, conditions.smile)
        x, y = turn[0] * x + turn[1] * depth, nod[0] * y + nod[1] * depth
        mean_x, mean_y = _total(x) / 5, _total(y) / 5
        dx, dy = x - mean_x, y - mean_y
        size = _total(dx * dx + dy * dy)
        a = _total(dx * _SPREAD[0] + dy * _SPREAD[1]) / size * conditions.zoom
        b = _total(dx * _SPREAD[1] - dy * _SPREAD[0]) / size * conditions.zoom
        a, b = a - b * conditions.turn, b + a * conditions.turn
        right = _MEAN[0] - (a * mean_x - b * mean_y) + conditions.shift[0]
        lower = _MEAN[1] - (b * mean_x + a * mean_y) + conditions.shift[1]
        return cls(*turn, *nod, a, b, right, lower)

    def part(self, images: PerImage) -> Pose:
        """The poses of the images at these positions."""
        return Pose(*(values[images] for values in self))


class View:
    """Coordinates of every pixel of N images of one person, each under its own pose.

    Attributes:
        depth: of the head's surface towards the viewer, pixels, 0 outside the head; as the next two
            float32, N × height × width.
        x, y: on the face, before it was turned, pixels from its origin.
        sine: of the angle the face is turned by; float32, N × 1 × 1.
    """

    def __init__(self, person: Person, conditions: Conditions, pose: Pose, size: Size) -> None:
        columns, rows = _grid(size)
        self._upright = np.array([pose.a, pose.b]) / (pose.a * pose.a + pose.b * pose.b)
        self._columns, self._rows = columns - per_image(pose.right), rows - per_image(pose.lower)
        across, down = self.plane(1.0, 0.0), self.plane(0.0, 1.0)
        self.depth = _surface(across, down, _radius(person))
        self.sine, self._nod_sine = per_image(pose.sine), per_image(pose.nod_sine)
        self.x: Layer = per_image(pose.cosine) * across
        self.x -= self.sine * self.depth
        self.y: Layer = per_image(pose.nod_cosine) * down
        self.y -= self._nod_sine * self.depth
        self._express(person, conditions)

    def plane(
        self, right: PerImage | float, down: PerImage | float, images: PerImage | slice = slice(None)
    ) -> Layer:
        """0 at the face's origin, rising by `right` and `down` a pixel to the right and downwards of it.

        As the upright image has them; of some of the `images` or of all: float32, N × height × width.
        """
        c, s = self._upright[:, images]
        by_column: Layer = self._columns[images] * per_image(c * right - s * down)
        by_row: Layer = self._rows[images] * per_image(s * right + c * down)
        return by_column + by_row

    def points(self, portrait: Portrait, mouth: PerImage) -> Points:
        """The points of the sheet of `portrait` that the pixels show. What stands out moves further."""
        column, row = self.x * FINENESS, self.y * FINENESS
        column += 0.5 - LEFT * FINENESS
        row += 0.5 - TOP * FINENESS
        # The relief is so smooth that every other row is enough; this takes long.
        lift = portrait.sheet.relief.take(portrait.points(column[:, ::2], row[:, ::2], mouth))[:, :, None]
        pairs = len(mouth), -1, 2, column.shape[2]
        column.reshape(pairs)[...] -= lift * (self.sine * FINENESS)[:, None]
        row.reshape(pairs)[...] -= lift * (self._nod_sine * FINENESS)[:, None]
        return portrait.points(column, row, mouth)

    def _express(self, person: Person, conditions: Conditions) -> None:
        """Pull brows, eyes and the corners of the mouth: a pixel then shows another point of the face."""
        height = person.eye_height + person.brow_height
        x, y = self._near(height, 12)
        pull = blob(x, y - height, 34, 12)
        pull *= per_image(conditions.brows)
        y += pull
        _, y = self._near(person.eye_height, 8)
        dy = y - person.eye_height
        pull = unit(1 - np.abs(dy) * 0.125)
        pull *= dy
        pull *= per_image(conditions.squint + 0.1 * np.maximum(conditions.smile, 0.0))
        y += pull
        x, y = self._near(person.mouth_height, 15)
        pull = blob(x, y - person.mouth_height, person.mouth_width + 10, 15)
        pull *= per_image(conditions.smile)
        pull *= x
        pull *= 0.1
        rise = x * (24 / (person.mouth_width * person.mouth_width))
        rise *= pull
        y += rise
        x -= pull

    def _near(self, y: float, reach: float) -> tuple[Layer, Layer]:
        """The coordinates in a band, to be changed in place."""
        rows = band(y - reach, y + reach)
        return self.x[:, rows], self.y[:, rows]


def per_image(numbers: Numbers) -> Layer:
    """A number for each of N images, to go with N × height × width: float32, N × 1 × 1."""
    return numbers.astype(np.float32)[:, None, None]


def band(top: float, bottom: float) -> slice:
    """The rows that can show the face from `top` to `bottom`: with room for every pose but the rarest."""
    return slice(max(int(_CENTRE[1] + top) - _ROOM, 0), max(int(_CENTRE[1] + bottom) + _ROOM, 1))


def _radius(person: Person) -> float:
    """Of the head's ellipsoid, across and in depth."""
    return 1.12 * person.width


def _landmarks(person: Person, smile: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Eyes, nose, corners of the mouth of N heads that are not turned: x, y and depth, each 5 × N."""
    eye, mouth = (person.eye_gap, person.eye_height), (person.mouth_width, person.mouth_height)
    x = np.array([[-eye[0]], [eye[0]], [0.0], [-mouth[0]], [mouth[0]]]) + smile * _SMILE[0]
    y = np.array([[eye[1]], [eye[1]], [person.nose_end], [mouth[1]], [mouth[1]]]) + smile * _SMILE[1]
    fall, radius = (y - _HEAD_MIDDLE) / _HEAD_HALF, _radius(person)
    depth = np.sqrt(np.maximum(radius * radius * np.maximum(1 - fall * fall, 0.0) - x * x, 0.0))
    depth[2] += NOSE_DEPTH
    return x, y, depth


def _total(terms: Numbers) -> Numbers:
    """The sum over the first axis, always in the same order."""
    return reduce(np.add, terms)


def _surface(across: Layer, down: Layer, radius: float) -> Layer:
    """How far the ellipsoid of the head stands out of the plane."""
    fall = down - _HEAD_MIDDLE
    fall *= radius / _HEAD_HALF
    fall *= fall
    squared = across * across
    squared += fall
    np.subtract(radius * radius, squared, out=squared)
    return np.sqrt(positive(squared), out=squared)


def _angle(half_tangent: Numbers) -> Angles:
    """Cosine and sine from the tangent of half the angle: no library function whose last bit may differ."""
    square = half_tangent * half_tangent
    return (1 - square) / (1 + square), 2 * half_tangent / (1 + square)


@lru_cache(maxsize=2)
def _grid(size: Size) -> tuple[Layer, Layer]:
    """Columns and rows of the pixels, counted as in the 112 × 96 crop."""
    height, width = size.value
    columns = np.arange(width, dtype=np.float32) - (width - 96) / 2
    return columns[None, :], np.arange(height, dtype=np.float32)[:, None]
