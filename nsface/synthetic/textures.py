"""Smooth noise to cut backgrounds, skin and hair from; made in integers, so the same everywhere."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from nsface.synthetic.draws import Draws

# float32, unless said to be integers; NumPy's types lose the dtype in arithmetic with Python numbers.
Layer = npt.NDArray[Any]

_SIDE = 256
_EACH = 2  # textures of each kind
_KINDS = {"coarse": (15, 15), "fine": (2, 2), "strands": (18, 1), "curls": (4, 4)}  # box radius down, across
_PASSES = 3  # of a box filter: close to a Gaussian


def cut(kind: str, choice: int, height: int, width: int) -> Layer:
    """A `height` × `width` piece, −1 to 1, of a texture of `kind`; `choice` (0 or more) says which piece."""
    choice, which = divmod(choice, _EACH)
    choice, top = divmod(choice, _SIDE - height)
    left = choice % (_SIDE - width)
    return _texture(kind, which)[top : top + height, left : left + width]


@cache
def _texture(kind: str, which: int) -> Layer:
    key = list(_KINDS).index(kind), which
    values = Draws(0, *key).bytes(_SIDE * _SIDE).astype(np.int32).reshape(_SIDE, _SIDE) - 128
    for axis, radius in enumerate(_KINDS[kind]):
        for _ in range(_PASSES):
            values = _box(values, radius, axis)
    values -= int(values.sum(dtype=np.int64)) // values.size
    return values.astype(np.float32) / np.float32(np.abs(values).max())


def _box(values: Layer, radius: int, axis: int) -> Layer:
    """Sum of the 2·radius + 1 neighbours along `axis`, wrapping around; integers."""
    pad = [(0, 0), (0, 0)]
    pad[axis] = (radius + 1, radius)
    sums = np.pad(values, pad, mode="wrap").cumsum(axis, dtype=np.int32)
    count = values.shape[axis]
    upper = np.take(sums, range(2 * radius + 1, 2 * radius + 1 + count), axis)
    result: Layer = upper - np.take(sums, range(count), axis)
    return result
