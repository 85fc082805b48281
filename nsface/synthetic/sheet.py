"""The sheet that a face is painted on: its own coordinates, finer than the pixels of the image."""

from __future__ import annotations

import numpy as np

from nsface.synthetic.canvas import Canvas, Window
from nsface.synthetic.textures import Layer

FINENESS = 2  # points to a pixel
LEFT, TOP = -46.0, -72.0  # of the sheet, pixels from the face's origin
COLUMNS, ROWS = 92 * FINENESS, 124 * FINENESS


class Sheet(Canvas):
    """Colours, and how far the skin stands out.

    Attributes:
        x, y: coordinates of the points, pixels from the face's origin; 1 × columns and rows × 1.
        relief: rows × columns, pixels above the ellipsoid of the head.
    """

    x: Layer = LEFT + np.arange(COLUMNS, dtype=np.float32)[None, :] / FINENESS
    y: Layer = TOP + np.arange(ROWS, dtype=np.float32)[:, None] / FINENESS

    def __init__(self, colours: Layer, relief: Layer) -> None:
        super().__init__(colours)
        self.relief = relief

    @classmethod
    def blank(cls) -> Sheet:
        """A black one on which nothing stands out."""
        return cls(np.zeros((3, ROWS, COLUMNS), np.float32), np.zeros((ROWS, COLUMNS), np.float32))

    def copy(self) -> Sheet:
        """Another sheet with the same on it."""
        return Sheet(self.colours.copy(), self.relief.copy())

    def window(self, x: float, y: float, reach_x: float, reach_y: float) -> Window:
        """The part of the sheet within `reach_x` and `reach_y` of (x, y)."""
        return _span(y - TOP, reach_y, ROWS), _span(x - LEFT, reach_x, COLUMNS)

    def offsets(self, window: Window, x: float, y: float) -> tuple[Layer, Layer]:
        """Coordinates of the window's points relative to (x, y): 1 × width and height × 1."""
        return self.x[:, window[1]] - x, self.y[window[0]] - y

    def raise_(self, window: Window, amount: Layer) -> None:
        """Add to the relief."""
        self.relief[window] += amount


def _span(centre: float, reach: float, limit: int) -> slice:
    first = min(max(int((centre - reach) * FINENESS), 0), limit - 1)
    return slice(first, min(max(int((centre + reach) * FINENESS) + 1, first + 1), limit))
