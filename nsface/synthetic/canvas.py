"""A picture while it is painted, and the brushes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from nsface.synthetic.textures import Layer

Window = tuple[slice, slice]  # rows and columns

EVERYWHERE: Window = (slice(None), slice(None))


class Canvas:
    """Colours before lighting: float32, RGB, about 0 to 255; 3 × … × height × width."""

    def __init__(self, colours: Layer) -> None:
        self.colours = colours

    def image(self, number: int) -> Canvas:
        """One of the images of a canvas of 3 × N × height × width."""
        return Canvas(self.colours[:, number])

    def paint(self, where: Window | slice, cover: Layer, colour: Iterable[float | Layer]) -> None:
        """Lay `colour` (three numbers or layers) over a window or rows, opaque where `cover` is 1."""
        left = 1 - cover
        for plane, primary in zip(self._at(where), colour, strict=True):
            plane -= primary
            plane *= left
            plane += primary

    def brighten(self, where: Window | slice, amount: Layer) -> None:
        """Add `amount` to all three colours of a window or rows."""
        part = self._at(where)
        part += amount

    def darken(self, where: Window | slice, amount: Layer) -> None:
        """Take `amount` (0 to 1) of the light from a window or rows."""
        part = self._at(where)
        part *= 1 - amount

    def _at(self, where: Window | slice) -> Layer:
        rows, columns = where if isinstance(where, tuple) else (where, slice(None))
        return self.colours[..., rows, columns]


def flat_each(colours: npt.NDArray[np.float64]) -> Layer:
    """Colours of N images, 3 × N, as an array that goes with 3 × N × height × width."""
    return colours.astype(np.float32)[:, :, None, None]


def edge(distance: Layer, softness: float = 1.0) -> Layer:
    """0 outside, 1 inside: a ramp `softness` wide around `distance` 0 (pixels inwards); overwrites that."""
    if softness != 1:
        distance *= 1 / softness
    distance += 0.5
    return unit(distance)


def unit(values: Layer) -> Layer:
    """Clip to 0 … 1; overwrites `values`."""
    return values.clip(0.0, 1.0, out=values)


def positive(values: Layer) -> Layer:
    """Cut below 0; overwrites `values`. Faster than NumPy's `maximum` with a number."""
    return values.clip(0.0, np.inf, out=values)


def blob(dx: Layer, dy: Layer, reach_x: float, reach_y: float) -> Layer:
    """A soft spot: 1 in the middle, 0 from the ellipse with these half axes outwards."""
    u, outwards = dx * (1 / reach_x), dy * (1 / reach_y)
    u *= u
    outwards *= outwards
    outwards = np.add(u, outwards, out=outwards if outwards.shape == u.shape else None)
    unit(outwards)
    outwards -= 1
    outwards *= outwards
    return outwards
