"""A picture while it is painted, and the brushes."""

from __future__ import annotations

import numpy as np

from nsface.synthetic.identity import Colour
from nsface.synthetic.textures import Layer

Window = tuple[slice, slice]

EVERYWHERE: Window = (slice(None), slice(None))


class Canvas:
    """Colours before lighting: float32, 3 × height × width, RGB, about 0 to 255."""

    def __init__(self, colours: Layer) -> None:
        self.colours = colours

    def paint(self, window: Window, cover: Layer, colour: Colour | Layer) -> None:
        """Lay `colour` (one, or 3 × the window) over the window, opaque where `cover` is 1."""
        part = self.colours[(slice(None), *window)]
        new = flat(colour) - part if isinstance(colour, tuple) else colour - part
        new *= cover
        part += new

    def darken(self, window: Window, amount: Layer) -> None:
        """Take `amount` (0 to 1) of the light from the window."""
        part = self.colours[(slice(None), *window)]
        part *= 1 - amount


def flat(colour: Colour) -> Layer:
    """A colour as an array that goes with 3 × height × width."""
    return np.array(colour, dtype=np.float32).reshape(3, 1, 1)


def edge(distance: Layer, softness: float = 1.0) -> Layer:
    """0 outside, 1 inside: a ramp `softness` wide around `distance` 0 (pixels inwards)."""
    ramp = distance * (1 / softness)
    ramp += 0.5
    return unit(ramp)


def unit(values: Layer) -> Layer:
    """Clip to 0 … 1; overwrites `values`."""
    return values.clip(0.0, 1.0, out=values)


def positive(values: Layer) -> Layer:
    """Cut below 0; overwrites `values`. Faster than NumPy's `maximum` with a number."""
    return values.clip(0.0, np.inf, out=values)


def blob(dx: Layer, dy: Layer, reach_x: float, reach_y: float) -> Layer:
    """A soft spot: 1 in the middle, 0 from the ellipse with these half axes outwards."""
    u, v = dx * (1 / reach_x), dy * (1 / reach_y)
    u *= u
    v *= v
    outwards = u + v
    unit(outwards)
    outwards -= 1
    outwards *= outwards
    return outwards
