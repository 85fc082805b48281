"""Light and camera: from painted colours to the pixels of a photograph."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from nsface.synthetic.canvas import Canvas, edge, flat, positive
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
    positive(amount)
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
    if conditions.grey:  # one plane instead of three
        colours = ((colours[0] * 0.299 + colours[1] * 0.587) + colours[2] * 0.114)[None]
    values = _levels(colours)
    for _ in range(conditions.blur):
        values = _blurred(values)
    values += _grain(conditions, values.shape[1:])
    planes = tuple(values.clip(0, 255, out=values).astype(np.uint8))
    merged: Pixels = cv2.merge(planes * (3 // len(planes)))  # a copy, but much faster than NumPy's transpose
    return merged


def _levels(colours: Layer) -> npt.NDArray[np.int16]:
    """Whole grey levels, 0 to 255; what is above 190 is halved first, so that bright skin keeps its shape."""
    halved = colours * 0.5
    halved += 95
    levels = np.minimum(colours, halved, out=halved).astype(np.int16)
    return levels.clip(0, 255, out=levels)


def _blurred(values: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """One pass of the filter 1 2 1 down and across; at the border only along it."""
    for axis in (1, 2):
        smooth = np.empty_like(values)
        # All planes as one row, which is faster; what this mixes up at the border is put right below.
        row, step = values.ravel(), values.strides[axis] // values.itemsize
        pairs = row[step:] + row[:-step]
        pairs += 1  # rounds
        np.add(pairs[step:], pairs[:-step], out=smooth.ravel()[step:-step])
        smooth >>= 2
        border = (slice(None),) * axis + (slice(None, None, values.shape[axis] - 1),)
        smooth[border] = values[border]
        values = smooth
    return values


def _grain(conditions: Conditions, shape: tuple[int, ...]) -> npt.NDArray[np.int16]:
    """Noise around 0, the same in the three colours, its size `conditions.grain` in grey levels."""
    count = shape[0] * shape[1]
    noise = conditions.noise.bytes(2 * count).astype(np.int16)
    strength = int(conditions.grain * 2.5)  # the sum of two bytes has a standard deviation of 104
    both = noise[:count] + noise[count:]
    both *= strength
    both += 128 - 255 * strength
    both >>= 8
    return both.reshape(shape)
