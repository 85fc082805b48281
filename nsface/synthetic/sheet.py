"""The sheet that a face is painted on: its own coordinates, finer than the pixels of the image."""

from __future__ import annotations

import numpy as np

from nsface.synthetic.canvas import Canvas, Window
from nsface.synthetic.textures import Layer

FINENESS = 2  # points to a pixel
LEFT, TOP = -46.0, -72.0  # of the sheet, pixels from the face's origin
COLUMNS, ROWS = 92 * FINENESS, 124 * FINENESS


class Sheet(Canvas):
    """Colours, what of them is the face, and how far the skin stands out; nothing does at first.

    Attributes:
        x, y: coordinates of the points, pixels from the face's origin; 1 × columns and rows × 1.
        layers: 7 × rows × columns: all that follow, in this order.
        colours: 3 × rows × columns, red, green, blue.
        cover: rows × columns, 1 on the face, 0 beside it.
        slopes: 2 × rows × columns, of the relief to the right and downwards.
        relief: rows × columns, pixels above the ellipsoid of the head.
    """

    x: Layer = LEFT + np.arange(COLUMNS, dtype=np.float32)[None, :] / FINENESS
    y: Layer = TOP + np.arange(ROWS, dtype=np.float32)[:, None] / FINENESS

    def __init__(self) -> None:
        self.layers = np.zeros((7, ROWS, COLUMNS), np.float32)
        super().__init__(self.layers[:3])
        self.cover, self.slopes, self.relief = self.layers[3], self.layers[4:6], self.layers[6]

    def window(self, x: float, y: float, reach_x: float, reach_y: float) -> Window:
        """The part of the sheet within `reach_x` and `reach_y` of (x, y)."""
        return _span(y - TOP, reach_y, ROWS), _span(x - LEFT, reach_x, COLUMNS)

    def offsets(self, window: Window, x: float, y: float) -> tuple[Layer, Layer]:
        """Coordinates of the window's points relative to (x, y): 1 × width and height × 1."""
        return self.x[:, window[1]] - x, self.y[window[0]] - y

    def raise_(self, window: Window, amount: Layer) -> None:
        """Add to the relief."""
        part = self.relief[window]
        part += amount  # in place: on an element of an array, += would copy the sum back

    def work_out_slopes(self, window: Window) -> None:
        """Set the slopes inside the border of the window; on the border of the sheet they stay 0."""
        relief, (right, down) = self.relief[window], self.slopes[(slice(None), *window)]
        np.subtract(relief[:, 2:], relief[:, :-2], out=right[:, 1:-1])
        np.subtract(relief[2:], relief[:-2], out=down[1:-1])
        right[:, 1:-1] *= FINENESS / 2
        down[1:-1] *= FINENESS / 2


def _span(centre: float, reach: float, limit: int) -> slice:
    first = min(max(int((centre - reach) * FINENESS), 0), limit - 1)
    return slice(first, min(max(int((centre + reach) * FINENESS) + 1, first + 1), limit))
