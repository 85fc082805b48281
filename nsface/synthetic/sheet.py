"""The sheet that a face is painted on; it has its own coordinates, finer than the pixels of the image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from nsface.synthetic.canvas import Canvas, Window
from nsface.synthetic.textures import Layer

FINENESS = 1.5  # points to a pixel
LEFT, TOP = -46.0, -72.0  # of the sheet, pixels from the face's origin
LEFT_RIGHT: Layer = np.array([-1, 1], np.float32).reshape(2, 1, 1)
COLUMNS, ROWS = int(92 * FINENESS), int(124 * FINENESS)


class Sheet(Canvas):
    """Colours, which of them belong to the face, and how far the skin stands out.

    Attributes:
        x, y: coordinates of the points, pixels from the face's origin; 1 × columns and rows × 1.
        layers: 8 × … × rows × columns: all that follow, in this order.
        colours: 3 × … × rows × columns, red, green, blue.
        cover: … × rows × columns, 1 on the face, 0 beside it.
        slopes: 2 × … × rows × columns, of the relief to the right and downwards.
        relief: … × rows × columns, pixels above the ellipsoid of the head.
        forehead: … × rows × columns, pixels below a hairline at height 0.
    """

    def __init__(self, layers: Layer, x: Layer, y: Layer) -> None:
        super().__init__(layers[:3])
        self.layers, self.x, self.y = layers, x, y
        self.cover, self.slopes, self.relief, self.forehead = layers[3], layers[4:6], layers[6], layers[7]

    @classmethod
    def empty(cls) -> Sheet:
        """A whole sheet without a face and without relief."""
        return cls(np.zeros((8, ROWS, COLUMNS), np.float32), _X, _Y)

    def copies(self, window: Window, count: int) -> Sheet:
        """`count` copies of a window of this sheet: 8 × `count` × rows × columns."""
        rows, columns = window
        layers = np.repeat(self.layers[:, None, rows, columns], count, axis=1)
        return Sheet(layers, self.x[:, columns], self.y[rows])

    def forked(self, row: int, count: int) -> Sheet:
        """The rows above `row` once, then the rows from there on `count` times."""

        def repeated(rows: Layer) -> Layer:
            return np.concatenate([rows[..., :row, :], *[rows[..., row:, :]] * count], axis=-2)

        return Sheet(repeated(self.layers), self.x, repeated(self.y))

    @contextmanager
    def sides(self, x: float, y: float, reach_x: float, reach_y: float) -> Iterator[Sheet]:
        """The parts within reach of (−x, y) and of (x, y), up to the middle of the face, painted together.

        They form one sheet of 8 × 2 × rows × columns, with an `x` of 2 × 1 × columns.
        """
        rows, right = self.window(x, y, reach_x, reach_y)
        right = slice(max(right.start, COLUMNS // 2), max(right.stop, COLUMNS // 2 + 1))
        left = slice(COLUMNS - right.stop, COLUMNS - right.start)
        parts = [self.layers[:, rows, columns] for columns in (left, right)]
        both = Sheet(np.stack(parts, axis=1), np.stack([self.x[:, left], self.x[:, right]]), self.y[rows])
        yield both
        for part, painted in zip(parts, both.layers.swapaxes(0, 1), strict=True):
            part[:] = painted

    def window(self, x: float, y: float, reach_x: float, reach_y: float) -> Window:
        """The part of a whole sheet within `reach_x` and `reach_y` of (x, y)."""
        return _span(y - TOP, reach_y, ROWS), _span(x - LEFT, reach_x, COLUMNS)

    def offsets(self, window: Window, x: float, y: float) -> tuple[Layer, Layer]:
        """Coordinates of the window's points relative to (x, y): 1 × width and height × 1."""
        return self.x[:, window[1]] - x, self.y[window[0]] - y

    def add_relief(self, window: Window, amount: Layer) -> None:
        """Add to the relief."""
        part = self.relief[..., window[0], window[1]]
        part += amount  # in place: on an element of an array, += would copy the sum back

    def set_slopes(self) -> None:
        """Compute the slopes of the relief; on the border of the sheet they stay as they are."""
        right, down = self.slopes
        np.subtract(self.relief[..., 2:], self.relief[..., :-2], out=right[..., 1:-1])
        np.subtract(self.relief[..., 2:, :], self.relief[..., :-2, :], out=down[..., 1:-1, :])
        right[..., 1:-1] *= FINENESS / 2
        down[..., 1:-1, :] *= FINENESS / 2


_X: Layer = LEFT + np.arange(COLUMNS, dtype=np.float32)[None, :] / FINENESS
_Y: Layer = TOP + np.arange(ROWS, dtype=np.float32)[:, None] / FINENESS


def _span(centre: float, reach: float, limit: int) -> slice:
    first = min(max(int((centre - reach) * FINENESS), 0), limit - 1)
    return slice(first, min(max(int((centre + reach) * FINENESS) + 1, first + 1), limit))
