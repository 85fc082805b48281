"""A person's portrait and conditions in, pixels out.

Everything is painted with elementwise float32 and integer arithmetic of NumPy: sums, products, quotients
and square roots are rounded exactly by the standard, so the pixels are the same with any vector width,
number of threads or version. Nothing here calls what is not: exp, sin, matrix products, sums of many floats,
OpenCV's filters.
"""

from __future__ import annotations

import numpy as np

from nsface.synthetic.camera import Pixels, light, photograph
from nsface.synthetic.canvas import EVERYWHERE, Canvas, unit
from nsface.synthetic.conditions import Conditions
from nsface.synthetic.portrait import Portrait
from nsface.synthetic.pose import Size, View
from nsface.synthetic.surroundings import hairless, paint_behind, paint_in_front

__all__ = ["Pixels", "Size", "render"]


def render(portrait: Portrait, conditions: Conditions, size: Size = Size.H112_W96) -> Pixels:
    """Draw a person under `conditions`, aligned to the template: uint8, height × width × 3, RGB."""
    person = portrait.person
    view = View(person, conditions, size)
    canvas = Canvas(np.empty((3, *size.value), dtype=np.float32))
    paint_behind(canvas, view, person, conditions)
    sheet = portrait.look(conditions.look)
    points = view.points(sheet.relief)
    cover = sheet.cover.take(points)
    cover *= unit(view.depth * 0.25 - 0.25)
    bare = hairless(view, person, conditions)
    cover[: len(bare)] *= bare
    canvas.paint(EVERYWHERE, cover, sheet.colours.reshape(3, -1).take(points, axis=1))
    paint_in_front(canvas, view, person, conditions)
    light(canvas, view, conditions, sheet.slopes.reshape(2, -1).take(points, axis=1))
    return photograph(canvas, conditions)
