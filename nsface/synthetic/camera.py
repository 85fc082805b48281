"""Light and camera: from painted colours to the pixels of a photograph."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from nsface.synthetic.canvas import Canvas, edge, positive
from nsface.synthetic.conditions import Conditions
from nsface.synthetic.pose import View, per_image
from nsface.synthetic.textures import Layer

Pixels = npt.NDArray[np.uint8]
Levels = npt.NDArray[np.int16]

_TIE = 2.0**-9


def light(canvas: Canvas, view: View, conditions: Conditions, slopes: Iterable[Layer]) -> None:
    """Multiply the colours of N images by the light that falls on them.

    Args:
        slopes: 2 × N × height × width, of the relief to the right and downwards.
    """
    right, down, towards = conditions.light
    amount = view.plane(right / 44, down / 60)
    amount += view.depth * per_image(towards / 44)
    for slope, direction in zip(slopes, (right, down), strict=True):
        slope *= per_image(direction)
        amount -= slope
    positive(amount)
    amount += per_image(conditions.ambient)
    some = np.flatnonzero(conditions.shadow)
    x, y, offset = conditions.shadow_edge[:, some]
    shadow = edge(view.plane(x, y, some) + per_image(offset), 4.0)
    shadow *= per_image(conditions.shadow[some])
    amount[some] *= 1 - shadow
    canvas.colours *= amount


def photograph(canvas: Canvas, conditions: Conditions) -> list[Pixels]:
    """Expose, blur and add grain: N times uint8, height × width × 3."""
    for i in np.flatnonzero(conditions.grey):
        red, green, blue = canvas.colours[:, i]
        canvas.colours[:, i] = (red * 0.299 + green * 0.587) + blue * 0.114
    levels = np.empty((3, *canvas.colours.shape[1:]), np.int16)
    for plane, white, level in zip(canvas.colours, conditions.white, levels, strict=True):
        white = np.where(conditions.grey, 1.0, white)
        plane *= per_image(white * conditions.exposure * conditions.contrast)
        plane += per_image(112 * (1 - conditions.contrast))
        level[:] = plane
    levels += levels.clip(0, 190)
    levels >>= 1  # what is above 190 counts half, so that bright skin keeps its shape
    grains = _grain(conditions, levels.shape[2:])
    images = zip(levels.swapaxes(0, 1), grains, conditions.blur.tolist(), strict=True)
    return [_developed(planes, grain, blur) for planes, grain, blur in images]


def _developed(planes: Levels, grain: Levels, blur: int) -> Pixels:
    """One photograph from its three planes."""
    image = _merged(*planes)
    if blur:
        image = _blurred(image, blur)
    image += _merged(grain, grain, grain)
    return image.clip(0, 255, out=image).astype(np.uint8)


def _merged(*planes: Levels) -> Levels:
    """Height × width × 3, as a copy; OpenCV makes it much faster than NumPy's transpose."""
    return np.asarray(cv2.merge(planes), np.int16)


def _blurred(image: Levels, strength: int) -> Levels:
    """The filter 1 2 1, down and across, as if applied `strength` times.

    Levels are multiples of 2⁻⁸ before they are rounded, so float32 holds every sum that OpenCV makes, in
    whatever order it is made; and `_TIE` decides on halves, which may be rounded up or to even.
    """
    once, twice = _kernel(1), _kernel(2)
    border = cv2.BORDER_REPLICATE
    for kernel in [twice] * (strength // 2) + [once] * (strength % 2):
        filtered = cv2.sepFilter2D(image, cv2.CV_16S, kernel, kernel, delta=_TIE, borderType=border)
        image = np.asarray(filtered, np.int16)
    return image


@cache
def _kernel(times: int) -> Layer:
    weights = [math.comb(2 * times, i) for i in range(2 * times + 1)]
    return np.array(weights, np.float32) / np.float32(4**times)


def _grain(conditions: Conditions, shape: tuple[int, ...]) -> list[Levels]:
    """Noise around 0, N times height × width, its standard deviation `grain` in grey levels."""
    tables = np.rint(conditions.grain[:, None] * _TRIANGULAR).astype(np.int16)
    count = shape[0] * shape[1]
    return [
        cv2.LUT(draws.bytes(count).reshape(shape), table)
        for draws, table in zip(conditions.noise, tables, strict=True)
    ]


def _triangular() -> npt.NDArray[np.float64]:
    """The middles of 256 equally probable parts of the triangular distribution with variance 1."""
    below = np.sqrt((np.arange(128) + 0.5) / 128) - 1
    return np.concatenate([below, -below[::-1]]) * math.sqrt(6)


_TRIANGULAR = _triangular()
