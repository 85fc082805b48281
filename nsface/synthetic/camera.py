"""Light and camera: from painted colours to the pixels of a photograph."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from nsface.synthetic.canvas import Canvas, edge, flat
from nsface.synthetic.conditions import Conditions
from nsface.synthetic.pose import View
from nsface.synthetic.textures import Layer

Pixels = npt.NDArray[np.uint8]


def light(canvas: Canvas, view: View, conditions: Conditions, slopes: Layer) -> None:
    """Multiply the colours by the light that falls on them.

    Args:
        slopes: 2 × height × width, of the relief to the right and downwards.
    """
    right, down, towards = conditions.light
    amount = view.across * (right / 44)
    amount += view.down * (down / 60)
    amount += view.depth * (towards / 44)
    amount -= slopes[0] * right
    amount -= slopes[1] * down
    np.maximum(amount, np.float32(0), out=amount)
    amount += conditions.ambient
    if conditions.shadow:
        a, b, c = conditions.shadow_edge
        amount *= 1 - conditions.shadow * edge(view.across * a + view.down * b + c, 4.0)
    canvas.colours *= amount


def photograph(canvas: Canvas, conditions: Conditions) -> Pixels:
    """Expose, blur and add grain: uint8, height × width × 3."""
    colours = canvas.colours
    gains = tuple(gain * conditions.exposure * conditions.contrast for gain in conditions.white)
    colours *= flat((gains[0], gains[1], gains[2]))
    colours += 112 * (1 - conditions.contrast)
    if conditions.grey:
        colours[:] = (colours[0] * 0.299 + colours[1] * 0.587) + colours[2] * 0.114
    _roll_off(colours)
    values = colours.astype(np.int16)
    for _ in range(conditions.blur):
        values = _blurred(values)
    values = values + _grain(conditions, values.shape[1:])
    red, green, blue = np.clip(values, 0, 255, out=values).astype(np.uint8)
    merged: Pixels = cv2.merge((red, green, blue))  # a copy, but much faster than NumPy's transpose
    return merged


def _roll_off(colours: Layer) -> None:
    """Halve what is above 190, so that bright skin keeps its shape, and cut below 0 and above 255."""
    np.minimum(colours, colours * 0.5 + 95, out=colours)
    np.clip(colours, 0.0, 255.0, out=colours)


def _blurred(values: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """One pass of the filter 1 2 1 down and across; at the border only along it."""
    down = values.copy()
    np.right_shift(_weighted(values[:, :-2], values[:, 1:-1], values[:, 2:]), 2, out=down[:, 1:-1])
    both = down.copy()
    row = down.ravel()  # all rows as one, which is faster; the columns at the border are put right below
    np.right_shift(_weighted(row[:-2], row[1:-1], row[2:]), 2, out=both.ravel()[1:-1])
    both[:, :, [0, -1]] = down[:, :, [0, -1]]
    return both


def _weighted(before: Layer, here: Layer, after: Layer) -> Layer:
    """Four times the mean by 1 2 1, and 2 to round by."""
    total = here * 2
    total += before
    total += after
    total += 2
    return total


def _grain(conditions: Conditions, shape: tuple[int, ...]) -> npt.NDArray[np.int16]:
    """Noise around 0, the same in the three colours, its size `conditions.grain` in grey levels."""
    count = shape[0] * shape[1]
    noise = conditions.noise.bytes(2 * count).astype(np.int16)
    strength = int(conditions.grain * 2.5)  # the sum of two bytes has a standard deviation of 104
    both = noise[:count] + noise[count:] - 255
    return ((both * strength + 128) >> 8).reshape(shape)
